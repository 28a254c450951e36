import { createServer, request as httpRequest } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer, request as httpsRequest } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { Agent, ProxyAgent, request as undiciRequest } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { watchWire } from '../../../src/instrument/wire/watch-wire.js'
import { said, type Watched, watched } from '../watched.js'
import { certificate } from '../../support/certificate.js'
import { SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

const TLS = certificate()

function scene(): Watched {
  const made = watched({ strict: true })
  onTestFinished(watchWire(made.watch))
  return made
}

async function listening(server: Pick<Server, 'listen' | 'address' | 'close'>): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** What one ask gives: the text of the answer. */
type Ask = () => Promise<string>

/** Held and released; withheld when the store is down; released again. */
async function isStrict(at: Watched, ask: Ask): Promise<void> {
  const arrived = at.hold()
  let text: string | undefined
  const asking = ask().then((got) => (text = got))
  await arrived
  expect(text).toBeUndefined()
  at.letGo()
  expect(await asking).toContain(SECRET)
  at.isDown = true
  await expect(ask()).rejects.toBeInstanceOf(AuditError)
  at.isDown = false
  expect(await ask()).toContain(SECRET)
  const rows = (await at.rows()).filter(({ operation }) => operation === 'get_credential')
  expect(rows.map(({ credential, outcome }) => `${credential} ${outcome}`)).toEqual([
    'secret/orders ok',
    'secret/orders ok',
  ])
}

const byNode = (request: typeof httpRequest, url: string, options: object) => (): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { headers: VAULT_HEADERS, ...options }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })

const byUndici = (url: string, dispatcher: Agent | ProxyAgent) => async (): Promise<string> => {
  onTestFinished(() => dispatcher.destroy())
  const { body } = await undiciRequest(url, { headers: VAULT_HEADERS, dispatcher })
  return body.text()
}

describe('over TLS', () => {
  const server = async (): Promise<string> => {
    const port = await listening(createTlsServer(TLS, (_, response) => response.end(SECRET)))
    return `https://127.0.0.1:${port}${VAULT_PATH}`
  }

  it('node:https', async () => {
    await isStrict(scene(), byNode(httpsRequest, await server(), { ca: TLS.cert }))
  })

  it('undici', async () => {
    await isStrict(scene(), byUndici(await server(), new Agent({ connect: { ca: TLS.cert } })))
  })
})

describe('over HTTP/2', () => {
  it.each([SECRET, SECRET.repeat(20_000)])('undici, with an answer of %#', async (answer) => {
    const port = await listening(createSecureServer(TLS, (_, response) => response.end(answer)))
    const url = `https://127.0.0.1:${port}${VAULT_PATH}`
    const agent = new Agent({ connect: { ca: TLS.cert }, allowH2: true })
    await isStrict(scene(), byUndici(url, agent))
  })
})

describe('by a proxy', () => {
  /** Of both kinds: whole URLs, and tunnels. */
  async function proxy(): Promise<string> {
    const server = createServer((request, response) => {
      httpRequest(request.url ?? '', { headers: VAULT_HEADERS }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      }).end()
    })
    server.on('connect', (request, socket, head) => {
      const [host, port] = (request.url ?? '').split(':')
      const upstream = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.write(head)
        upstream.pipe(socket)
        socket.pipe(upstream)
      })
      for (const end of [socket, upstream]) end.on('error', () => end.destroy())
    })
    return `http://127.0.0.1:${await listening(server)}`
  }

  it('that gets whole URLs: the host of the row is the one that is meant', async () => {
    const { url, host } = await secretServer()
    const via = new URL(await proxy())
    const at = scene()
    const ask = byNode(httpRequest, via.href, {
      path: url + VAULT_PATH,
      headers: { ...VAULT_HEADERS, host: via.host },
    })
    expect(await ask()).toContain(SECRET)
    // The proxy is in this process as well: what it asks is seen, too.
    const rows = (await at.rows()).map(said)
    expect(rows).toMatchObject([{ server_address: host }, { server_address: host }])
  })

  it('that tunnels', async () => {
    const port = await listening(createTlsServer(TLS, (_, response) => response.end(SECRET)))
    const url = `https://127.0.0.1:${port}${VAULT_PATH}`
    const agent = new ProxyAgent({ uri: await proxy(), requestTls: { ca: TLS.cert } })
    await isStrict(scene(), byUndici(url, agent))
  })
})
