import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Trail } from 'otel-audit/query'
import { bearerToken, either, oidc, type ServeOptions, serveTrail } from 'otel-audit/server'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { isLoopback } from '../../src/server/loopback.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { exposed, PATH, served, TOKEN } from './served.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

const READING = ['', '/5', '/histogram', '/summary', '/chains', '/coverage', '/retired'].map(
  (path) => PATH + path,
)

async function rowsAboutReads(): Promise<number> {
  const client = await connect(database.url)
  const { rows } = await client.query(
    `select count(*)::int as n from noetl.secret_audit where operation like '%_trail' and outcome <> 'unauthenticated'`,
  )
  await client.end()
  return rows[0].n as number
}

describe('who may read', () => {
  test.each(READING)(
    '%s: nobody without a token, with a wrong one, or when none is configured',
    async (path) => {
      const before = await rowsAboutReads()
      const { get } = await served(database.url)
      const none = await get(path, {})
      expect(none.status).toBe(401)
      expect(none.headers.get('www-authenticate')).toContain('Bearer')
      for (const authorization of [
        'Basic dTpw',
        'Bearer',
        'Bearer ',
        TOKEN,
        `Bearer ${'x'.repeat(9000)}`,
        'Bearer a b',
      ]) {
        expect((await get(path, { authorization })).status, authorization.slice(0, 20)).toBe(401)
      }
      for (const token of ['x', `${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase(), 'null', 'undefined']) {
        const answer = await get(path, { authorization: `Bearer ${token}` })
        expect(answer.status).toBe(403)
        expect(answer.text).not.toContain(token.length > 5 ? token : TOKEN)
      }
      const unconfigured = await served(database.url, { authenticator: undefined })
      for (const headers of [
        {},
        { authorization: `Bearer ${TOKEN}` },
        { authorization: 'Bearer undefined' },
      ]) {
        const answer = await unconfigured.get(path, headers)
        expect(answer.status).toBe(503)
        expect(answer.headers.get('content-type')).toBe('application/problem+json')
      }
      expect(await rowsAboutReads(), 'nobody read anything').toBe(before)
      expect((await get(path)).status).toBeOneOf([200, 404])
      expect(await rowsAboutReads()).toBe(before + 1)
    },
  )

  test('everybody may ask for health, readiness, metrics and the interface', async () => {
    const { get } = await served(database.url, { authenticator: undefined, exposition: exposed() })
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
      expect((await get(path, {})).status, path).toBe(200)
    }
  })

  test('nothing is answered with headers that let it be kept, framed or guessed at', async () => {
    const { get } = await served(database.url)
    for (const path of [PATH, '/healthz', '/nothing', `${PATH}?limit=0`]) {
      expect(Object.fromEntries((await get(path)).headers)).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      })
    }
  })

  test('pages of other origins cannot read answers, but for the one that is configured', async () => {
    const asked = { authorization: `Bearer ${TOKEN}`, origin: 'https://console.example' }
    const closed = await served(database.url)
    expect((await closed.get(PATH, asked)).headers.get('access-control-allow-origin')).toBeNull()
    const { get, url } = await served(database.url, { corsOrigin: 'https://console.example' })
    expect((await get(PATH, asked)).headers.get('access-control-allow-origin')).toBe(
      'https://console.example',
    )
    const other = await get(PATH, { ...asked, origin: 'https://evil.example' })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
    const preflight = await fetch(url + PATH, {
      method: 'OPTIONS',
      headers: { origin: 'https://console.example' },
    })
    expect(preflight.headers.get('access-control-allow-headers')).toBe('Authorization')
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull()
  })

  test('a client that asks too often has to wait', async () => {
    const { get } = await served(database.url)
    // No second passes, however slowly the requests are answered.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    onTestFinished(() => clock.mockRestore())
    const statuses = new Set<number>()
    let retryAfter: string | null = null
    for (let i = 0; i < 20; i++) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => get('/healthz')))
      for (const { status, headers } of answers) {
        statuses.add(status)
        retryAfter = headers.get('retry-after') ?? retryAfter
      }
      if (statuses.has(429)) break
    }
    expect([...statuses].sort((a, b) => a - b)).toEqual([200, 429])
    expect(Number(retryAfter)).toBeGreaterThan(0)
  })
})

describe('an address that others can reach', () => {
  const start = (options: Partial<ServeOptions>): Promise<unknown> => {
    const trail = new Trail({ databaseUrl: database.url })
    const audit = { recordStrict: () => Promise.reject(new Error('unused')), recordAsync: () => 0n }
    return serveTrail({ trail, audit, port: 0, ...options }).then((server) => server.close())
  }

  test.each(['0.0.0.0', '::', '', '192.0.2.7', 'audit.example'])(
    '%j is refused without authentication',
    async (host) => {
      await expect(start({ host })).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'host' })
    },
  )

  test('is fine with authentication, and a loopback one without', async () => {
    await start({ host: '0.0.0.0', authenticator: bearerToken(TOKEN) })
    await start({})
  })

  test.each([
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['::', false],
    ['127.0.0.1.example', false],
    ['128.0.0.1', false],
    ['::ffff:1.2.3.4', false],
  ])('%s is loopback: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected)
  })
})

describe('OpenID Connect', () => {
  /** An issuer on a port of its own, with a key of its own. */
  async function issuer() {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }
    const server = createServer((incoming, outgoing) => {
      const answer = incoming.url === '/jwks' ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/jwks` }
      outgoing.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const token = (
      claims: Record<string, unknown>,
      change: (jwt: SignJWT) => SignJWT = (jwt) => jwt,
      key = privateKey,
    ) =>
      change(
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
          .setIssuer(url)
          .setAudience('secret-audit')
          .setSubject('jane@example')
          .setExpirationTime('5m'),
      ).sign(key)
    return { url, token }
  }

  test('lets in who has the role, and says who it was', async () => {
    const { url, token } = await issuer()
    const authenticator = await oidc({
      issuer: url,
      audience: 'secret-audit',
      role: 'auditor',
      roleClaim: 'realm_access.roles',
    })
    const { get } = await served(database.url, { authenticator: either(bearerToken(TOKEN), authenticator) })
    const as = async (jwt: Promise<string>): Promise<number> =>
      (await get(`${PATH}?credential=oidc`, { authorization: `Bearer ${await jwt}` })).status

    const role = { realm_access: { roles: ['auditor', 'other'] } }
    expect(await as(token(role))).toBe(200)
    const client = await connect(database.url)
    const { rows } = await client.query(
      `select actor_id, actor_type, source_address from noetl.secret_audit where operation = 'query_trail' order by audit_id desc limit 1`,
    )
    await client.end()
    expect(rows).toEqual([{ actor_id: 'jane@example', actor_type: 'user', source_address: '127.0.0.1' }])

    expect(await as(token({}))).toBe(403)
    expect(await as(token({ roles: ['auditor'] }))).toBe(403)
    expect(await as(token({ realm_access: { roles: ['auditors'] } }))).toBe(403)
    expect(await as(token(role, (jwt) => jwt.setAudience('another')))).toBe(401)
    expect(await as(token(role, (jwt) => jwt.setIssuer('https://evil.example')))).toBe(401)
    expect(await as(token(role, (jwt) => jwt.setExpirationTime('-5m')))).toBe(401)
    const { privateKey } = await generateKeyPair('ES256')
    expect(await as(token(role, undefined, privateKey))).toBe(401)
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ ...role, iss: url, aud: 'secret-audit', sub: 'x', exp: 9_999_999_999 })).toString('base64url')}.AA`
    expect(await as(Promise.resolve(unsigned))).toBe(401)
    expect(await as(Promise.resolve(TOKEN))).toBe(200)
    expect(await as(Promise.resolve('wrong'))).toBe(403)
  })

  test.each(['http://issuer.example', 'issuer.example', 'ftp://issuer.example', ''])(
    'an issuer that anybody could speak for is refused: %j',
    async (issuer) => {
      await expect(oidc({ issuer, audience: 'a', role: 'r', roleClaim: 'roles' })).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTION',
        field: 'oidcIssuer',
      })
    },
  )

  test('is 503 while the issuer does not answer, and again fine afterwards', async () => {
    const authenticator = await oidc({
      issuer: 'http://127.0.0.1:1',
      audience: 'a',
      role: 'r',
      roleClaim: 'roles',
    })
    const { get } = await served(database.url, { authenticator })
    expect((await get(PATH, { authorization: 'Bearer a.b.c' })).status).toBe(503)
  })
})
