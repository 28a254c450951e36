import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Cut } from './schedule.js'

interface Line {
  readonly writer: Socket
  readonly server: Socket
  /** What happens to what comes next. */
  plan: Cut | undefined
  /** With `answer` and `mute`: the writer has sent something since. */
  asked: boolean
}

/** Stands between writer and server, and cuts their connections where it hurts. */
export class CuttingProxy {
  readonly #listener: Server
  readonly #serverPort: number
  readonly #lines = new Set<Line>()

  private constructor(serverPort: number) {
    this.#serverPort = serverPort
    this.#listener = createServer((writer) => this.#join(writer))
  }

  static async start(serverPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(serverPort)
    proxy.#listener.listen(0, '127.0.0.1')
    await once(proxy.#listener, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port
  }

  /** Cuts every connection that there is, there. */
  cut(where: Cut): void {
    for (const line of this.#lines) {
      line.plan = where
      line.asked = false
      if (where === 'now') this.#end(line)
    }
  }

  /** What was to be cut and has not been by now is cut; silent connections end. */
  finishCut(): void {
    for (const line of this.#lines) if (line.plan !== undefined) this.#end(line)
  }

  async close(): Promise<void> {
    for (const line of this.#lines) this.#end(line)
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  #join(writer: Socket): void {
    const server = connect(this.#serverPort, '127.0.0.1')
    const line: Line = { writer, server, plan: undefined, asked: false }
    this.#lines.add(line)
    for (const socket of [writer, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.#end(line))
      socket.on('close', () => this.#end(line))
    }
    writer.on('data', (data) => this.#asked(line, data))
    server.on('data', (data) => this.#answered(line, data))
  }

  #asked(line: Line, data: Buffer): void {
    if (line.plan === 'request') {
      line.server.write(data.subarray(0, data.length >> 1), () => this.#end(line))
      return
    }
    line.asked = true
    line.server.write(data)
  }

  #answered(line: Line, data: Buffer): void {
    if (line.asked && line.plan === 'answer') this.#end(line)
    else if (!(line.asked && line.plan === 'mute')) line.writer.write(data)
  }

  #end(line: Line): void {
    this.#lines.delete(line)
    line.writer.destroy()
    line.server.destroy()
  }
}
