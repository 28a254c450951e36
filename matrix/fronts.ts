import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certificate } from '../test/support/certificate.js'
import type { Providers } from './providers.js'
import type { World } from './suite.js'

type Asked = IncomingMessage | Http2ServerRequest
type Answering = ServerResponse | Http2ServerResponse

/**
 * What stands between clients and their providers: TLS; HTTP/2; connections that end with each answer; one that answers before
 * a request has ended; and one that dies in the middle of an answer.
 */
export type Front = 'TLS' | 'HTTP/2' | 'Connection: close' | 'early' | 'dying'

export interface Fronted extends Providers {
  /** The versions of HTTP that came. */
  readonly versions: ReadonlySet<string>
}

/** Providers behind a front. Its certificate is in the environment. @param names variables with the URLs of those behind it */
export async function fronted(
  providers: Providers,
  front: Front,
  { consumer }: World,
  names: readonly string[] = ['VAULT_ADDR', 'AWS_ENDPOINT_URL'],
): Promise<Fronted> {
  const versions = new Set<string>()
  const tls = certificate()
  const ca = join(consumer.directory, 'ca.pem')
  await writeFile(ca, tls.cert)
  const servers: { close(): void }[] = []
  const isSecure = front === 'TLS' || front === 'HTTP/2'
  const before = async (upstream: string): Promise<string> => {
    const handle = (request: Asked, response: Answering): void => {
      versions.add(request.httpVersion)
      forward(new URL(upstream), front, request, response)
    }
    const server =
      front === 'HTTP/2'
        ? createSecureServer({ ...tls, allowHTTP1: true }, handle)
        : front === 'TLS'
          ? createTlsServer(tls, handle)
          : createServer(handle)
    const port = await listening(server)
    servers.push(server)
    return `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`
  }
  const urls: Record<string, string> = {}
  for (const name of names) urls[name] = await before(providers.env[name] ?? '')
  return {
    ...providers,
    versions,
    env: {
      ...providers.env,
      ...urls,
      NODE_EXTRA_CA_CERTS: ca,
      ALLOW_H2: front === 'HTTP/2' ? 'true' : '',
    },
    async close() {
      for (const server of servers) server.close()
      await providers.close()
    },
  }
}

function forward(upstream: URL, front: Front, asked: Asked, answering: Answering): void {
  const headers = {
    ...Object.fromEntries(Object.entries(asked.headers).filter(([name]) => !name.startsWith(':'))),
    'x-forwarded-proto': front === 'TLS' ? 'https' : 'http',
  }
  const { method } = asked
  const sent = httpRequest(new URL(asked.url ?? '', upstream), { method, headers }, (answer) => {
    const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...kept } = answer.headers
    if (front === 'Connection: close') kept['connection'] = 'close'
    if (front === 'dying' && answer.statusCode === 200) kept['content-length'] = '100000'
    ;(answering as ServerResponse).writeHead(answer.statusCode ?? 500, kept)
    if (front === 'dying' && answer.statusCode === 200) {
      answer.once('data', (chunk: Buffer) =>
        (answering as ServerResponse).write(chunk, () => asked.socket.destroy()),
      )
      return
    }
    answer.pipe(answering as ServerResponse)
  })
  sent.on('error', () => asked.socket.destroy())
  if (front === 'early' && method === 'POST') asked.once('data', () => sent.end('{}'))
  else asked.pipe(sent)
}

/** A forward proxy: it gets whole URLs, and makes tunnels. @returns its URL, and what ends it */
export async function forwardProxy(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const { host: _, 'proxy-connection': __, ...headers } = request.headers
    const sent = httpRequest(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    sent.on('error', () => request.socket.destroy())
    request.pipe(sent)
  })
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    const [host, port] = (request.url ?? '').split(':')
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    for (const end of [socket, upstream]) end.on('error', () => end.destroy())
  })
  return { url: `http://127.0.0.1:${await listening(server)}`, close: () => server.close() }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  return (server.address() as AddressInfo).port
}
