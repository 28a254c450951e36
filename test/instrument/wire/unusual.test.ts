import { Agent, get, type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import * as undici from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { watchWire } from '../../../src/instrument/wire/watch-wire.js'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import { waitUntil } from '../../support/wait-until.js'
import { said, type Watched, watched } from '../watched.js'
import { ask } from './asking.js'
import { refused, SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

function scene(settings: Partial<InstrumentSettings> = {}): Watched {
  const made = watched({ strict: true }, settings)
  onTestFinished(watchWire(made.watch))
  return made
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
interface Answered {
  readonly status: number
  readonly text: string
}

function byHttp(url: string, { body, ...options }: Asked = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const given: RequestOptions = { headers: VAULT_HEADERS, ...options }
    const request = httpRequest(url, given, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** A request that has not ended. @returns the text of its answer; what ends it */
function sending(
  client: string,
  url: string,
): { readonly asking: Promise<string>; readonly end: () => void } {
  const body = new Readable({ read: () => undefined })
  body.push('{')
  const end = (): void => void body.push(null)
  const given = { method: 'POST', headers: VAULT_HEADERS } as const
  if (client === 'fetch') {
    const init = { ...given, body: Readable.toWeb(body), duplex: 'half' } as unknown as RequestInit
    return { asking: fetch(url, init).then((response) => response.text()), end }
  }
  if (client === 'undici') {
    return { asking: undici.request(url, { ...given, body }).then((answer) => answer.body.text()), end }
  }
  const asking = new Promise<string>((resolve, reject) => {
    const request = httpRequest(url, given, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
    body.pipe(request)
  })
  return { asking, end }
}

const CLIENTS: readonly (readonly [string, (url: string, asked?: Asked) => Promise<Answered>])[] = [
  ['node:http', byHttp],
  [
    'fetch',
    async (url, asked = {}) => {
      const response = await fetch(url, { headers: VAULT_HEADERS, ...asked })
      return { status: response.status, text: await response.text() }
    },
  ],
  [
    'undici',
    async (url, { method = 'GET', ...asked } = {}) => {
      const given = { headers: VAULT_HEADERS, ...asked, method }
      const { statusCode, body } = await undici.request(url, given)
      return { status: statusCode, text: await body.text() }
    },
  ],
]

describe.each(CLIENTS)('%s', (name, send) => {
  it('an answer without a body is held as well', async () => {
    const { url } = await secretServer((_, response) => response.writeHead(204).end())
    const at = scene()
    const arrived = at.hold()
    let got: Answered | undefined
    const asking = send(url + VAULT_PATH).then((answer) => (got = answer))
    await arrived
    await turns()
    expect(got).toBeUndefined()
    at.letGo()
    expect(await asking).toEqual({ status: 204, text: '' })
    expect(await at.rows()).toHaveLength(1)
  })

  it('HEAD and OPTIONS ask for no secret', async () => {
    const { url } = await secretServer((_, response) => response.writeHead(200).end())
    const at = scene()
    for (const method of ['HEAD', 'OPTIONS']) {
      expect(await send(url + VAULT_PATH, { method })).toEqual({ status: 200, text: '' })
    }
    expect(await at.rows()).toEqual([])
  })

  it('a redirection is followed, and the answer behind it is held', async () => {
    const { url } = await secretServer((request, response) => {
      if (request.url === '/v1/secret/data/moved') {
        response.writeHead(307, { location: VAULT_PATH }).end()
      } else {
        response.end(SECRET)
      }
    })
    const at = scene()
    const answer = await send(`${url}/v1/secret/data/moved`)
    if (name === 'fetch') {
      expect(answer).toEqual({ status: 200, text: SECRET })
      expect((await at.rows()).map(said)).toMatchObject([{ credential: 'secret/orders', outcome: 'ok' }])
    } else {
      expect(answer.status).toBe(307)
      expect(await at.rows()).toEqual([])
    }
  })

  it('what is compressed, in chunks, and with trailers comes whole', async () => {
    const large = SECRET.repeat(20_000)
    const { url } = await secretServer((_, response) => {
      response.writeHead(200, { trailer: 'x-sum', ...(name === 'fetch' && { 'content-encoding': 'gzip' }) })
      const bytes = name === 'fetch' ? gzipSync(large) : Buffer.from(large)
      response.write(bytes.subarray(0, 7))
      response.addTrailers({ 'x-sum': '1' })
      response.end(bytes.subarray(7))
    })
    const at = scene()
    const arrived = at.hold()
    const asking = send(url + VAULT_PATH)
    await arrived
    await turns()
    at.letGo()
    expect((await asking).text === large).toBe(true)
  })

  it.each([
    ['without a reason phrase', '', SECRET, { connection: 'close', 'content-length': '9000000' }],
    ['that is large', 'OK', SECRET.repeat(200_000), { 'content-length': '9000000' }],
  ])(
    'an answer %s that is reset while it is held is an error, and no more',
    async (_, reason, body, head) => {
      let gone = (): void => undefined
      const closed = new Promise<void>((resolve) => (gone = resolve))
      let reset = (): void => undefined
      let isSent = false
      const { url } = await secretServer((request, response) => {
        response.writeHead(200, reason, head)
        response.write(body, () => (isSent = true))
        request.socket.on('close', gone)
        reset = () => void request.socket.resetAndDestroy()
      })
      const at = scene()
      const arrived = at.hold()
      const asking = send(url + VAULT_PATH)
      asking.catch(() => undefined)
      await arrived
      // What is large has come, where it is not left to the socket.
      if (name !== 'node:http') await waitUntil('it to be sent', () => isSent)
      for (let i = 0; i < 20; i++) await turns()
      reset()
      await closed
      await turns()
      at.letGo()
      // Had it been handed on, its body would have failed, with one of these.
      await expect(asking).rejects.toThrow(/^(?!terminated|other side closed)/)
      expect(await at.rows()).toHaveLength(1)
    },
  )

  it('an answer that is whole before its request has ended is held, and handed on', async () => {
    const { url } = await secretServer((request, response) => {
      request.once('data', () => response.end(SECRET))
    })
    const at = scene()
    const arrived = at.hold()
    const { asking, end } = sending(name, `${url}/v1/transit/decrypt/k`)
    await arrived
    await turns()
    at.letGo()
    expect(await asking).toBe(SECRET)
    end()
    expect((await at.rows()).map(said)).toMatchObject([{ operation: 'use_key', outcome: 'ok' }])
  })

  it('an answer without a reason phrase is held, and handed on', async () => {
    const { url } = await secretServer((_, response) => response.writeHead(200, '').end(SECRET))
    const at = scene()
    const arrived = at.hold()
    const asking = send(url + VAULT_PATH)
    await arrived
    await turns()
    at.letGo()
    expect(await asking).toEqual({ status: 200, text: SECRET })
  })

  it('a request to AWS that puts a secret is not looked at, where writes are recorded', async () => {
    const { url } = await secretServer(refused(400, { __type: 'LimitExceededException' }))
    const at = scene({ writes: true })
    const put = (target: string, body: object): Promise<Answered> =>
      send(`${url}/`, { method: 'POST', headers: { 'x-amz-target': target }, body: JSON.stringify(body) })
    await put('secretsmanager.PutSecretValue', { SecretId: SECRET, SecretString: SECRET })
    await put('AmazonSSM.PutParameter', { Name: SECRET, Value: SECRET })
    await put('secretsmanager.DeleteSecret', { SecretId: 'db' })
    expect((await at.rows()).map(said)).toMatchObject([
      { operation: 'write_credential', api: 'PutSecretValue', credential: 'unknown', outcome: 'throttled' },
      { operation: 'write_credential', api: 'PutParameter', credential: 'unknown' },
      { operation: 'write_credential', api: 'DeleteSecret', credential: 'db' },
    ])
  })

  it('a refusal of AWS whose name cannot be read is not said to be one thing or another', async () => {
    const { url } = await secretServer((_, response) => {
      response
        .writeHead(400, { 'content-encoding': 'x-own' })
        .end(gzipSync('{"__type":"AccessDeniedException"}'))
    })
    const at = scene()
    const headers = { 'x-amz-target': 'secretsmanager.GetSecretValue' }
    await send(`${url}/`, { method: 'POST', headers, body: '{"SecretId":"db"}' })
    expect((await at.rows()).map(said)).toMatchObject([
      { credential: 'db', outcome: 'other', 'error.type': '400' },
    ])
  })
})

describe('node:http', () => {
  const responseOf = (url: string, options: RequestOptions = {}): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      get(url + VAULT_PATH, { headers: VAULT_HEADERS, ...options }, resolve).on('error', reject)
    })

  it('a listener that comes late to an answer gets all of it, with its trailers', async () => {
    const { url } = await secretServer((_, response) => {
      response.writeHead(200, { trailer: 'x-sum' })
      response.write(SECRET)
      response.addTrailers({ 'x-sum': '1' })
      response.end()
    })
    scene()
    const response = await responseOf(url)
    await turns()
    let text = ''
    for await (const chunk of response) text += String(chunk)
    expect([text, response.trailers]).toEqual([SECRET, { 'x-sum': '1' }])
  })

  it('a connection that is kept alive serves the next request, whatever became of the one before', async () => {
    const { url } = await secretServer((request, response) => response.end(request.url))
    const at = scene()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const arrived = at.hold()
    const aborted = ask(url, { agent })
    await arrived
    aborted.request.destroy()
    await aborted.ended
    at.letGo()
    at.isDown = true
    const withheld = ask(url, { agent })
    await withheld.ended
    expect(withheld.error).toBeInstanceOf(AuditError)
    at.isDown = false
    const next = ask(url, { agent, path: '/orders' })
    await next.ended
    expect(next.body).toBe('/orders')
    const again = ask(url, { agent })
    await again.ended
    expect(again.body).toBe(VAULT_PATH)
  })

  it('a time-out of the client that is shorter than the hold ends it as without one', async () => {
    const { url } = await secretServer()
    const at = scene()
    const arrived = at.hold()
    const heard = ask(url, { timeout: 50 })
    heard.request.on('timeout', () => {
      heard.events.push('timeout')
      heard.request.destroy()
    })
    await arrived
    await heard.ended
    at.letGo()
    await turns()
    expect(heard.events).toEqual(['timeout', 'error', 'close'])
    expect(heard.error).toMatchObject({ code: 'ECONNRESET' })
    expect(await at.rows()).toHaveLength(1)
  })

  it.each([
    ['signal', (given: AbortController) => given.abort(), 'AbortError'],
    ['abort()', (_: AbortController, request: { abort(): void }) => request.abort(), 'Error'],
  ])(
    'an answer that is given up by its %s while it is held: its error, and nothing behind it',
    async (_, end, name) => {
      const { url } = await secretServer()
      const at = scene()
      const given = new AbortController()
      const arrived = at.hold()
      const heard = ask(url, { signal: given.signal })
      await arrived
      end(given, heard.request)
      await heard.ended
      at.letGo()
      await turns()
      expect(heard.events).toEqual(['error', 'close'])
      expect(heard.error?.name).toBe(name)
    },
  )

  it('an answer that nobody waits for any more makes no claim that it was handed on', async () => {
    const { url } = await secretServer()
    const at = scene()
    const heard = ask(url)
    heard.request.once('socket', (socket) => {
      // The answer is in the parser's hands when the request is given up.
      socket.prependOnceListener('data', () => heard.request.abort())
    })
    await heard.ended
    await turns()
    const rows = (await at.rows()).map(said)
    expect(rows).toMatchObject([{ outcome: 'aborted' }])
    expect(rows[0]).not.toHaveProperty('held')
  })

  it('what a listener throws is an uncaught exception, and the row is there', async () => {
    const { url } = await secretServer()
    const at = scene()
    const thrown = new Promise<unknown>((resolve) => {
      const before = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    const request = get(url + VAULT_PATH, { headers: VAULT_HEADERS }, () => {
      throw new Error('of the application')
    })
    request.on('error', () => undefined)
    expect(await thrown).toMatchObject({ message: 'of the application' })
    expect(await at.rows()).toHaveLength(1)
    request.destroy()
  })
})
