import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** One message of the protocol, with its type and length. The first of a client has no type: ''. */
export interface WireMessage {
  readonly type: string
  readonly bytes: Buffer
}

/** What goes on in the place of a message: nothing drops it. `undefined` ends the connection. */
export type Rewrite = (message: WireMessage) => readonly Buffer[] | undefined

export function messageOf(type: string, body: Buffer | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

const asIs: Rewrite = ({ bytes }) => [bytes]

/** Between a client and a Postgres server, without TLS. It speaks the protocol, and may change every message of it. */
export class WireProxy {
  /** What becomes of the messages of the server. */
  answer: Rewrite = asIs
  /** What becomes of those of the client. */
  request: Rewrite = asIs
  /** How many connections were made. */
  connections = 0
  readonly #server: Server
  readonly #target: number
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, target: number) {
    this.#server = server
    this.#target = target
    server.on('connection', (client) => this.#connected(client))
  }

  /**
   * @param databaseUrl of a server on this machine
   * @param host the address to listen at
   */
  static async start(databaseUrl: string, host = '127.0.0.1'): Promise<WireProxy> {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    return new WireProxy(server, Number(new URL(databaseUrl).port))
  }

  /** The same URL, through the proxy. */
  url(databaseUrl: string): string {
    const url = new URL(databaseUrl)
    const { address, port } = this.#server.address() as AddressInfo
    url.hostname = address
    url.port = String(port)
    return url.href
  }

  /** Everything as it is, again. */
  calm(): void {
    this.answer = asIs
    this.request = asIs
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connected(client: Socket): void {
    this.connections++
    const server = connect(this.#target, '127.0.0.1')
    const end = (): void => {
      for (const socket of [client, server]) {
        socket.destroy()
        this.#sockets.delete(socket)
      }
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket.setNoDelay(true))
      socket.on('error', end).on('close', end)
    }
    relay(client, server, true, (message) => this.request(message), end)
    relay(server, client, false, (message) => this.answer(message), end)
  }
}

function relay(from: Socket, to: Socket, startsUntyped: boolean, rewrite: Rewrite, end: () => void): void {
  let rest = Buffer.alloc(0)
  let isFirst = startsUntyped
  from.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes])
    for (;;) {
      const typeBytes = isFirst ? 0 : 1
      if (rest.length < typeBytes + 4) return
      const length = rest.readInt32BE(typeBytes) + typeBytes
      if (rest.length < length) return
      const message = Buffer.from(rest.subarray(0, length))
      rest = rest.subarray(length)
      const out = rewrite({ type: isFirst ? '' : message.toString('latin1', 0, 1), bytes: message })
      isFirst = false
      if (out === undefined) return end()
      for (const one of out) to.write(one)
    }
  })
}
