import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A way to a server of this machine that is longer: bytes are delayed by a process of its own, half in each direction. */
export class Network {
  readonly #proxy: ChildProcess | undefined
  readonly #port: number | undefined

  private constructor(proxy: ChildProcess | undefined, port: number | undefined) {
    this.#proxy = proxy
    this.#port = port
  }

  /** @param roundTripMs what it adds to a round trip; 0 is the direct way, without a process in between */
  static async to(port: number, roundTripMs: number): Promise<Network> {
    if (roundTripMs === 0) return new Network(undefined, undefined)
    const script = fileURLToPath(new URL('./proxy.js', import.meta.url))
    const proxy = fork(script, [`${port}`, `${roundTripMs / 2}`], { execArgv: [] })
    const [own] = (await Promise.race([
      once(proxy, 'message'),
      once(proxy, 'exit').then(() => Promise.reject(new Error('the delaying proxy ended while starting'))),
    ])) as [number]
    return new Network(proxy, own)
  }

  /** The same database, over this way. */
  url(databaseUrl: string): string {
    if (this.#port === undefined) return databaseUrl
    const url = new URL(databaseUrl)
    url.port = `${this.#port}`
    return url.href
  }

  async close(): Promise<void> {
    if (this.#proxy === undefined) return
    const exit = once(this.#proxy, 'exit')
    this.#proxy.disconnect()
    await exit
  }
}
