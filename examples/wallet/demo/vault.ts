import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A Vault of the demo, which needs no other program: secrets of a KV engine in version 2, for holders of one token. */
export interface Vault {
  readonly address: string
  close(): void
}

/**
 * @param token what it is asked with
 * @param secrets by their path below `secret/data/`
 */
export async function startVault(token: string, secrets: Readonly<Record<string, string>>): Promise<Vault> {
  const server = createServer((request, response) => {
    const { status, body } = answer(request.url ?? '', request.headers['x-vault-token'], token, secrets)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

interface Answer {
  readonly status: number
  readonly body: object
}

function answer(
  url: string,
  given: unknown,
  token: string,
  secrets: Readonly<Record<string, string>>,
): Answer {
  if (given !== token) return { status: 403, body: { errors: ['permission denied'] } }
  const path = url.replace('/v1/secret/data/', '')
  if (!Object.hasOwn(secrets, path)) return { status: 404, body: { errors: [] } }
  const data = { data: { value: secrets[path] }, metadata: { version: 1 } }
  return { status: 200, body: { request_id: randomUUID(), data } }
}
