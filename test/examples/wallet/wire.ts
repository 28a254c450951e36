import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One request on a connection of its own, with every byte that comes back and when the first one came. */
export class Wire {
  readonly socket: Socket
  /** Resolves with the first byte. */
  readonly firstByte: Promise<unknown>
  readonly #closed: Promise<unknown>
  #received = Buffer.alloc(0)

  constructor(url: string, path: string, token: string) {
    const { hostname, port } = new URL(url)
    this.socket = connect(Number(port), hostname)
    this.firstByte = once(this.socket, 'data')
    this.#closed = once(this.socket, 'close')
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    const headers = [`host: ${hostname}`, `authorization: Bearer ${token}`, 'connection: close']
    this.socket.write(`GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`)
  }

  get received(): string {
    return this.#received.toString('latin1')
  }

  /** The whole answer. */
  async answer(): Promise<{ status: number; body: string; raw: string }> {
    await this.#closed
    const raw = this.received
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(raw)?.[1])
    return { status, body: raw.slice(raw.indexOf('\r\n\r\n') + 4), raw }
  }
}
