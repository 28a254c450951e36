import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** The canary: the value of every secret here. */
export const SECRET = 'hunter2-canary'

export interface SecretServer {
  readonly url: string
  readonly port: number
  readonly host: string
  /** How many requests came. */
  requests: number
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A provider: `answer` says what it does with a request, by default it hands the secret out. */
export async function secretServer(
  answer: Answer = granted,
  make: (listener: RequestListener) => Server = createServer,
): Promise<SecretServer> {
  const server = make((request, response) => {
    self.requests++
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const host = `127.0.0.1:${port}`
  const self = { url: `http://${host}`, port, host, requests: 0 }
  return self
}

function granted(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'r-1' })
  response.end(JSON.stringify({ data: { value: SECRET } }))
}

/** An answer with this status, and nothing secret in it. */
export const refused =
  (status: number, body: object = {}, headers: Readonly<Record<string, string>> = {}): Answer =>
  (request, response) => {
    request.resume()
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }

export const VAULT_PATH = '/v1/secret/data/orders'
export const VAULT_HEADERS = { 'x-vault-token': 'hvs.hunter2-token' }
