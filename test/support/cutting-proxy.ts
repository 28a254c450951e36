import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Which half of the next exchange is lost: what the client asks, or what the server answers. */
export type Half = 'request' | 'answer'

/** Between a client and a server: lets everything through until it is told to cut, and follows its server's moves. */
export class CuttingProxy {
  /** The port at which the server is. What is connected stays connected to where it was. */
  target: number
  /** What becomes of the server's answers on their way. */
  rewrite: (answer: Buffer) => Buffer = (answer) => answer
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut: Half | undefined
  #isOpen = true

  private constructor(server: Server, target: number) {
    this.#server = server
    this.target = target
    server.on('connection', (client) => this.#connected(client))
  }

  static async start(target: number): Promise<CuttingProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new CuttingProxy(server, target)
  }

  /** The same URL, through the proxy. */
  url(databaseUrl: string): string {
    const url = new URL(databaseUrl)
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  /** The connection ends in the next exchange. The server has carried out what it was asked, or was never asked. */
  cutNext(half: Half): void {
    this.#cut = half
  }

  /** Ends whatever there is, and whatever comes until {@link open}. */
  shut(): void {
    this.#isOpen = false
    for (const socket of this.#sockets) socket.destroy()
  }

  open(): void {
    this.#isOpen = true
  }

  async close(): Promise<void> {
    this.shut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connected(client: Socket): void {
    const server = connect(this.target, '127.0.0.1')
    const end = (): void => {
      for (const socket of [client, server]) {
        socket.destroy()
        this.#sockets.delete(socket)
      }
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', end).on('close', end)
    }
    if (!this.#isOpen) return end()
    client.on('data', (bytes) => {
      if (this.#takeCut('request')) {
        this.shut()
        return
      }
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      // The whole answer is one packet: it says that the transaction has ended.
      if (this.#takeCut('answer')) this.shut()
      else client.write(this.rewrite(bytes))
    })
  }

  #takeCut(half: Half): boolean {
    if (this.#cut !== half) return false
    this.#cut = undefined
    return true
  }
}
