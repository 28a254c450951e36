import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cut } from './schedule.js'

interface Line {
  readonly writer: Socket
  readonly server: Socket
  /** What happens to what comes next. */
  plan: Cut | undefined
  /** With `answer` and `mute`: the writer has sent something since. */
  asked: boolean
  /** What is on its way in one direction. */
  readonly toServer: Delayed
  readonly toWriter: Delayed
}

/** Bytes in their order, each so much later than it came. */
class Delayed {
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  pass(send: () => void, delayMs: number): void {
    if (this.#waiting === 0 && delayMs === 0) {
      send()
      return
    }
    this.#waiting++
    this.#last = this.#after(this.#last, sleep(delayMs), send)
  }

  async #after(before: Promise<void>, due: Promise<void>, send: () => void): Promise<void> {
    await before
    await due
    this.#waiting--
    send()
  }
}

/** Stands between writer and server, and cuts their connections where it hurts. */
export class CuttingProxy {
  readonly #listener: Server
  #serverPort: number
  readonly #lines = new Set<Line>()
  #delayMs = 0

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

  /** From now on everything arrives so much later, in both directions, in ms; 0: at once. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Ends every connection; new ones lead to another server. */
  lead(serverPort: number): void {
    this.#serverPort = serverPort
    for (const line of this.#lines) this.#end(line)
  }

  async close(): Promise<void> {
    for (const line of this.#lines) this.#end(line)
    this.#listener.close()
    await once(this.#listener, 'close')
  }

  #join(writer: Socket): void {
    const server = connect(this.#serverPort, '127.0.0.1')
    const [toServer, toWriter] = [new Delayed(), new Delayed()]
    const line: Line = { writer, server, plan: undefined, asked: false, toServer, toWriter }
    this.#lines.add(line)
    for (const socket of [writer, server]) {
      socket.setNoDelay(true)
      socket.on('error', () => this.#end(line))
      socket.on('close', () => this.#end(line))
    }
    writer.on('data', (data) => toServer.pass(() => this.#asked(line, data), this.#delayMs))
    server.on('data', (data) => toWriter.pass(() => this.#answered(line, data), this.#delayMs))
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
