import { createRequire } from 'node:module'
import * as ownCopy from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freePorts } from '../../../examples/wallet/demo/ports.js'
import { AuditError } from '../../../src/errors.js'
import { claiming } from '../../../src/instrument/claim.js'
import { watchWire } from '../../../src/instrument/wire/watch-wire.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { waitUntil } from '../../support/wait-until.js'
import { said, type Watched, watched } from '../watched.js'
import { refused, SECRET, secretServer, VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

/** What is used of a copy of undici. Each answer is its status and its text. */
interface Client {
  readonly name: string
  ask(url: string, options?: Asked): Promise<Answered>
}
interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}
interface Answered {
  readonly status: number
  readonly text: string
}

interface Undici {
  request(
    url: string,
    options: Asked,
  ): Promise<{ readonly statusCode: number; readonly body: { text(): Promise<string> } }>
  fetch(url: string, options: Asked): Promise<Response>
}

const answered = async (response: Response): Promise<Answered> => ({
  status: response.status,
  text: await response.text(),
})

/** Copies of undici: that of the development dependencies, and those named in the environment, as the matrix does. */
function copies(): readonly Client[] {
  const load = createRequire(import.meta.url)
  const versionOf = (place: string): string =>
    (load(`${place}/package.json`) as { readonly version: string }).version
  const named = (process.env['UNDICI_COPIES'] ?? '').split(',').filter((place) => place !== '')
  const loaded = [
    { undici: ownCopy as unknown as Undici, version: versionOf('undici') },
    ...named.map((place) => ({ undici: load(place) as Undici, version: versionOf(place) })),
  ]
  return loaded.flatMap(({ undici, version }) => [
    {
      name: `undici ${version}, request`,
      async ask(url, options = {}) {
        const { statusCode, body } = await undici.request(url, options)
        return { status: statusCode, text: await body.text() }
      },
    },
    {
      name: `undici ${version}, fetch`,
      ask: async (url, options = {}) => answered(await undici.fetch(url, options)),
    },
  ])
}

const CLIENTS: readonly Client[] = [
  {
    name: `fetch of Node (undici ${process.versions['undici']})`,
    ask: async (url, options = {}) => answered(await fetch(url, options)),
  },
  ...copies(),
]

function scene(options: AuditOptions = { strict: true }): Watched {
  const made = watched(options)
  onTestFinished(watchWire(made.watch))
  return made
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

const VAULT: Asked = { headers: VAULT_HEADERS }

describe.each(CLIENTS)('$name', ({ name, ask }) => {
  it('holds an answer with a secret until its row is committed', async () => {
    const { url } = await secretServer()
    const at = scene()
    const arrived = at.hold()
    let got: Answered | undefined
    const asking = ask(url + VAULT_PATH, VAULT).then((answer) => (got = answer))
    await arrived
    await turns()
    expect(got).toBeUndefined()
    at.letGo()
    expect((await asking).text).toContain(SECRET)
    expect((await at.rows()).map(said)).toMatchObject([
      { credential: 'secret/orders', outcome: 'ok', provider: 'vault', seen: 'wire', request_id: 'r-1' },
    ])
  })

  it('withholds it when its row cannot be stored; resumes with the store', async () => {
    const server = await secretServer()
    const at = scene()
    at.isDown = true
    const error = await ask(server.url + VAULT_PATH, VAULT).catch((e: unknown) => e)
    const isOfOwnCopy = name.endsWith('fetch')
    const audit = isOfOwnCopy ? (error as Error).cause : error
    expect(audit).toBeInstanceOf(AuditError)
    expect(audit).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    expect(server.requests).toBe(1)
    at.isDown = false
    expect((await ask(server.url + VAULT_PATH, VAULT)).text).toContain(SECRET)
  })

  it('hands a refusal on at once', async () => {
    const { url } = await secretServer(refused(403, { errors: ['no'] }))
    const at = scene()
    at.isDown = true
    expect(await ask(url + VAULT_PATH, VAULT)).toEqual({ status: 403, text: '{"errors":["no"]}' })
    at.isDown = false
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'access_denied' }])
  })

  it('says why nobody answered', async () => {
    const at = scene()
    const [port] = await freePorts(1)
    await expect(ask(`http://127.0.0.1:${port}${VAULT_PATH}`, VAULT)).rejects.toThrow()
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'provider_unreachable' }])
  })

  it('that is aborted while it is held ends as it would, and nothing follows', async () => {
    const { url } = await secretServer()
    const at = scene()
    const given = new AbortController()
    const arrived = at.hold()
    const asking = ask(url + VAULT_PATH, { ...VAULT, signal: given.signal })
    await arrived
    given.abort()
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' })
    at.letGo()
    await turns()
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'ok' }])
  })

  it('whose server dies while it is held gets an error', async () => {
    const at = scene()
    const arrived = at.hold()
    let gone = (): void => undefined
    const closed = new Promise<void>((resolve) => (gone = resolve))
    const { url } = await secretServer((request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write(SECRET, () => void arrived.then(() => request.socket.destroy()))
      request.socket.on('close', gone)
    })
    const asking = ask(url + VAULT_PATH, VAULT)
    asking.catch(() => undefined)
    await closed
    await turns()
    at.letGo()
    await expect(asking).rejects.toThrow()
  })

  it.each([
    ['connection: close', SECRET],
    ['no body', ''],
  ])('gets a whole answer with %s', async (_, body) => {
    let gone = (): void => undefined
    const closed = new Promise<void>((resolve) => (gone = resolve))
    const { url } = await secretServer((request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.end(body)
      request.socket.on('close', gone)
    })
    const at = scene()
    const arrived = at.hold()
    const asking = ask(url + VAULT_PATH, VAULT)
    await arrived
    await closed
    await turns()
    at.letGo()
    expect(await asking).toEqual({ status: 200, text: body })
  })

  it('whose connection is reset behind a whole answer comes to an end', async () => {
    let reset = (): void => undefined
    let gone = (): void => undefined
    const closed = new Promise<void>((resolve) => (gone = resolve))
    const { url } = await secretServer((request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.write(SECRET)
      request.socket.on('close', gone)
      reset = () => void request.socket.resetAndDestroy()
    })
    const at = scene()
    const arrived = at.hold()
    const asking = ask(url + VAULT_PATH, VAULT).then(
      ({ text }) => text,
      (error: Error) => error,
    )
    await arrived
    reset()
    await closed
    await turns()
    at.letGo()
    const end = await asking
    expect(end === SECRET || end instanceof Error).toBe(true)
  })

  it('gets a large answer whole, and 20 at once each its own', async () => {
    const { url } = await secretServer((request, response) =>
      response.end((request.url ?? '').repeat(20_000)),
    )
    const at = scene()
    const paths = Array.from({ length: 20 }, (_, i) => `${VAULT_PATH}/${i}`)
    const answers = await Promise.all(paths.map((path) => ask(url + path, VAULT)))
    expect(answers.map(({ text }, i) => [text.length, text === paths[i]?.repeat(20_000)])).toEqual(
      paths.map((path) => [path.length * 20_000, true]),
    )
    expect(await at.rows()).toHaveLength(20)
  })

  it('names what it asks AWS for, and the error that it gets', async () => {
    const body = { __type: 'ResourceNotFoundException', Message: 'x'.repeat(9000) }
    const { url } = await secretServer(refused(400, body))
    const at = scene()
    const answer = await ask(`${url}/`, {
      method: 'POST',
      headers: { 'X-Amz-Target': 'secretsmanager.GetSecretValue' },
      body: JSON.stringify({ SecretId: 'db' }),
    })
    expect(JSON.parse(answer.text)).toEqual(body)
    const isKnown = !(name.startsWith('undici') && name.endsWith('fetch'))
    expect((await at.rows()).map(said)).toMatchObject([
      { credential: isKnown ? 'db' : 'unknown', outcome: 'credential_not_found' },
    ])
  })

  it('makes no second row of what a layer above records, and none of other traffic', async () => {
    const { url } = await secretServer()
    const at = scene()
    const key = { provider: 'vault', operation: 'get_credential', credentials: ['secret/orders'] }
    await claiming({ kind: 'access', key }, () => ask(url + VAULT_PATH, VAULT))
    await ask(`${url}/orders`)
    expect(await at.rows()).toEqual([])
    expect(at.watch.coverage.accesses()).toMatchObject({ claimed: 1, wire: 0 })
  })
})

it.each(['refused', 'aborted'])(
  'an answer that is held and %s does not disturb the next one',
  async (how) => {
    let answer: (() => void) | undefined
    const { url } = await secretServer((request, response) => {
      if (request.url === VAULT_PATH) response.end(SECRET)
      else answer = () => void response.end('orders')
    })
    const at = scene()
    const dispatcher = new ownCopy.Agent({ connections: 1 })
    onTestFinished(() => dispatcher.destroy())
    const given = new AbortController()
    const arrived = at.hold()
    const held = ownCopy.request(url + VAULT_PATH, {
      dispatcher,
      headers: VAULT_HEADERS,
      signal: given.signal,
    })
    held.catch(() => undefined)
    await arrived
    const next = ownCopy.request(`${url}/orders`, { dispatcher })
    await waitUntil('the next request on the same connection', () => answer)
    at.isDown = how === 'refused'
    if (how === 'aborted') given.abort()
    at.letGo()
    await expect(held).rejects.toMatchObject({ name: how === 'refused' ? 'AuditError' : 'AbortError' })
    answer?.()
    expect(await (await next).body.text()).toBe('orders')
  },
)

describe('the global fetch', () => {
  it('knows the body of a request that was put together before', async () => {
    const { url } = await secretServer()
    const at = scene()
    const request = new Request(`${url}/`, {
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: JSON.stringify({ SecretId: 'db' }),
    })
    expect(await (await fetch(request)).text()).toContain(SECRET)
    expect((await at.rows()).map(said)).toMatchObject([{ credential: 'db' }])
  })

  it('knows the body that is given beside a request, whose headers say what it is', async () => {
    const { url } = await secretServer()
    const at = scene()
    const headers = { 'x-amz-target': 'secretsmanager.GetSecretValue' }
    const request = new Request(`${url}/`, { method: 'POST', headers })
    const response = await fetch(request, { method: 'POST', body: JSON.stringify({ SecretId: 'db' }) })
    expect(await response.text()).toContain(SECRET)
    expect((await at.rows()).map(said)).toMatchObject([{ credential: 'db' }])
  })

  it('is the one before again when nobody watches', () => {
    const before = globalThis.fetch
    const end = watchWire(watched().watch)
    expect(globalThis.fetch).not.toBe(before)
    expect([globalThis.fetch.name, globalThis.fetch.length]).toEqual([before.name, before.length])
    end()
    expect(globalThis.fetch).toBe(before)
  })

  it('keeps every other error as it is', async () => {
    scene()
    await expect(fetch('http://127.0.0.1:1/')).rejects.toThrow(TypeError)
    await expect(fetch('nonsense')).rejects.toMatchObject({ cause: { code: 'ERR_INVALID_URL' } })
  })
})
