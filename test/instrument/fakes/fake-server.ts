import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as a fake has read it. */
export interface FakeRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface FakeAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** As JSON, unless it is text. */
  readonly body?: unknown
}

/** Answers, or `undefined` to leave the request without one until the server closes. */
export type Answering = (request: FakeRequest) => FakeAnswer | undefined

/** A provider of secrets on a free port of 127.0.0.1. */
export class FakeServer {
  readonly #server: Server
  /** What has arrived, in order. */
  readonly requests: FakeRequest[] = []

  static async start(answering: Answering): Promise<FakeServer> {
    const fake = new FakeServer(answering)
    await new Promise<void>((resolve) => {
      fake.#server.listen(0, '127.0.0.1', resolve)
    })
    return fake
  }

  private constructor(answering: Answering) {
    this.#server = createServer((incoming, response) => {
      void this.#serve(answering, incoming, response)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => {
      this.#server.close(resolve)
    })
  }

  async #serve(answering: Answering, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { method = 'GET', url: path = '/', headers } = incoming
    const request = { method, path, headers, body: Buffer.concat(chunks).toString() }
    this.requests.push(request)
    const answer = answering(request)
    if (answer === undefined) return
    const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? '')
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(body)
  }
}
