import { createServer } from 'node:http'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectSocket, type Socket } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diag, DiagLogLevel } from '@opentelemetry/api'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { bearerToken, namedTokens, oidc } from 'otel-audit/server'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { sha256 } from '../../src/event/sha256.js'
import { authenticatorOf } from '../../src/server/authenticator-of.js'
import { Connections } from '../../src/server/connections.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { waitUntil } from '../support/wait-until.js'
import { PATH, served, TOKEN } from '../server/served.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

/** Connections that say nothing, or only the beginning of a request. */
function flood(url: string, count: number, localAddress: string, said = ''): Socket[] {
  const port = Number(new URL(url).port)
  const sockets = Array.from({ length: count }, () => {
    const socket = connectSocket({ port, host: '127.0.0.1', localAddress }).on('error', () => {})
    if (said !== '') socket.write(said)
    return socket
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return sockets
}

const settled = (sockets: readonly Socket[]): Promise<unknown> =>
  waitUntil('all connections to be made or refused', () =>
    sockets.every(({ connecting }) => !connecting) ? true : undefined,
  )

describe('connections that ask for nothing', () => {
  test.each([
    ['silent ones of another address', '127.0.0.2', ''],
    ['silent ones of the same address', '127.0.0.1', ''],
    ['ones that never end the head of their request', '127.0.0.1', 'GET / HTTP/1.1\r\nx: '],
  ])('%s: 1200 of them keep nobody from being served', async (_, address, said) => {
    const { get } = await served(database.url)
    const { url } = await served(database.url)
    await settled(flood(url, 1200, address, said))
    for (let i = 0; i < 5; i++) expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const headers = { authorization: `Bearer ${TOKEN}` }
    expect((await fetch(`${url}${PATH}`, { headers })).status).toBe(200)
    expect((await get('/healthz')).status).toBe(200)
  })

  test('are closed; one that is being answered is not', async () => {
    let release: (() => void) | undefined
    const server = createServer((_request, response) => {
      release = () => void response.end('done')
    })
    new Connections({ most: 100, mostOfAddress: 4, silentMs: 50 }).watch(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const answer = fetch(url)
    await waitUntil('the request', () => release)
    const silent = flood(url, 10, '127.0.0.1')
    await Promise.all(silent.map((socket) => once(socket, 'close')))
    release?.()
    expect(await (await answer).text()).toBe('done')
  })
})

async function withRecording(authenticator = bearerToken(TOKEN)) {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink })
  onTestFinished(() => audit.close())
  const server = await served(database.url, { audit: audit.service, authenticator })
  return { ...server, sink, audit }
}

describe('refused reads', () => {
  test('of one burst are one row, slowed down, and do not lock out who may read', async () => {
    const { get, sink, audit } = await withRecording()
    const statuses: number[] = []
    for (let i = 0; i < 60; i++) {
      const headers: Record<string, string> = i % 3 === 0 ? {} : { authorization: `Bearer canary-wrong-${i}` }
      statuses.push((await get(PATH, headers)).status)
    }
    expect(statuses.slice(0, 10).every((status) => status === 401 || status === 403)).toBe(true)
    expect(statuses.at(-1)).toBe(429)
    expect((await get(PATH)).status).toBe(200)
    expect((await get('/healthz', {})).status).toBe(200)
    await audit.close()
    const refused = sink.events.filter(({ outcome }) => outcome === 'unauthenticated')
    expect(refused).toMatchObject([
      { credential: 'secret_audit', operation: 'query_trail', actorId: null, sourceAddress: '127.0.0.1' },
    ])
    expect(
      JSON.stringify(refused, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain('canary')
  })

  test('by a request for a subject, a route that reads, or a row alike', async () => {
    const { get, sink, audit } = await withRecording()
    for (const path of [`${PATH}/5`, `${PATH}/summary`, `${PATH}/chains`]) {
      expect((await get(path, { authorization: 'Basic x' })).status).toBe(401)
    }
    await audit.close()
    expect(sink.events.filter(({ outcome }) => outcome === 'unauthenticated')).toHaveLength(1)
  })
})

function tokensFile(...lines: readonly string[]): { file: string; write(...lines: readonly string[]): void } {
  const dir = mkdtempSync(join(tmpdir(), 'tokens-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'tokens')
  const write = (...now: readonly string[]): void => writeFileSync(file, `${now.join('\n')}\n`)
  write(...lines)
  return { file, write }
}

const line = (name: string, token: string): string => `${name}:${sha256(token).toString('hex')}`
const asking = (token: string): Request =>
  new Request('http://x/', { headers: { authorization: `Bearer ${token}` } })

describe('named tokens', () => {
  test('say who reads, beside the shared token', async () => {
    const { file } = tokensFile(
      '# readers',
      '',
      line('jane@example.com', 'canary-jane'),
      line('ci', 'canary-ci'),
    )
    const authenticator = await authenticatorOf({
      apiToken: TOKEN,
      tokensFile: file,
      oidcRole: 'x',
      oidcRoleClaim: 'x',
    })
    const { get, sink } = await withRecording(authenticator)
    for (const token of ['canary-jane', 'canary-ci', TOKEN]) {
      expect((await get(PATH, { authorization: `Bearer ${token}` })).status).toBe(200)
    }
    expect((await get(PATH, { authorization: 'Bearer canary-joe' })).status).toBe(403)
    const readers = sink.events.filter(({ outcome }) => outcome === 'ok').map(({ actorId }) => actorId)
    expect(readers).toEqual(['jane@example.com', 'ci', 'internal-api-token'])
  })

  test('are read again when the file has changed; a broken file changes nothing', async () => {
    const { file, write } = tokensFile(line('jane', 'one'))
    const authenticator = await namedTokens(file)
    const whoHas = (token: string): Promise<string | undefined> =>
      authenticator.authenticate(asking(token)).then(
        ({ actorId }) => actorId,
        () => undefined,
      )
    expect(await whoHas('one')).toBe('jane')
    write(line('jane', 'one'), 'broken')
    utimesSync(file, 1, 1)
    write(line('joe', 'two'), 'broken')
    expect(await whoHas('one')).toBe('jane')
    write(line('joe', 'two'))
    expect(await waitUntil('the new token', () => whoHas('two'))).toBe('joe')
    expect(await whoHas('one')).toBeUndefined()
  })

  test.each([
    ['a token in the place of its hash', 'jane:canary-secret'],
    ['no name', `:${'0'.repeat(64)}`],
    ['the name of the shared token', line('internal-api-token', 'x')],
    ['white space around a name', line(' jane', 'x')],
    ['a control character in a name', line('ja\u0007ne', 'x')],
    ['one token of two names', `${line('a', 'x')}\n${line('b', 'x')}`],
  ])('%s is refused at start, without a word of the line', async (_, text) => {
    const { file } = tokensFile(text)
    await expect(namedTokens(file)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      message: expect.not.stringContaining('canary'),
    })
  })

  test('a file that is not there is refused at start', async () => {
    await expect(namedTokens('/nowhere/tokens')).rejects.toThrow('ENOENT')
  })
})

test.each([
  'canary\n',
  ' canary',
  'can ary',
  'can\u0000ary',
  'can\tary',
  'canäry',
  'canary\u00a0',
  '',
  'x'.repeat(8193),
])('a configured token that no client could send is refused at start: %j', async (apiToken) => {
  const asked = authenticatorOf({ apiToken, oidcRole: 'x', oidcRoleClaim: 'x' })
  await expect(asked).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'apiToken' })
  await expect(asked).rejects.not.toThrow(/canary|xxx/)
})

test('OpenID Connect: the subject is a string that names somebody', async () => {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }
  let issuer = ''
  const server = createServer((request, answer) => {
    answer.setHeader('content-type', 'application/json')
    const isDiscovery = request.url?.includes('openid') === true
    answer.end(JSON.stringify(isDiscovery ? { issuer, jwks_uri: `${issuer}/jwks` } : { keys: [jwk] }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const authenticator = await oidc({ issuer, audience: 'aud', role: 'auditor', roleClaim: 'roles' })
  const as = async (sub: unknown): Promise<string> => {
    const exp = Math.floor(Date.now() / 1000) + 60
    const claims = { iss: issuer, aud: 'aud', sub, exp, roles: ['auditor'] } as JWTPayload
    const token = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k' }).sign(privateKey)
    return (await authenticator.authenticate(asking(token))).actorId
  }
  expect(await as('jane')).toBe('jane')
  for (const sub of ['', ' ', { a: 1 }, ['jane'], 7, true, null, 'ja\nne', 'x'.repeat(257)]) {
    await expect(as(sub), JSON.stringify(sub)).rejects.toMatchObject({ document: { status: 401 } })
  }
})

test('a failure is one line of the log, with its cause, however often it is asked', async () => {
  const lines: string[] = []
  const log = (...words: readonly unknown[]): void => void lines.push(words.map(String).join(' '))
  diag.setLogger({ error: log, warn: log, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN)
  onTestFinished(() => diag.disable())
  const { get } = await served('postgres://nobody@127.0.0.1:1/none')
  for (let i = 0; i < 5; i++) expect((await get('/readyz', {})).status).toBe(503)
  const failures = lines.filter((text) => text.includes('a request failed'))
  expect(failures).toHaveLength(1)
  expect(failures[0]).toContain('ECONNREFUSED')
  expect(failures[0]).not.toMatch(/\n| {4}at /)
})
