import { generateKeyPair, type SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { diag, DiagLogLevel } from '@opentelemetry/api'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { PATH, TOKEN } from '../served.js'
import { Browser, type Page } from './browser.js'
import { type FakeIssuer, fakeIssuer, type SigningKey } from './fake-issuer.js'
import { SECRET, servedWithSignIn } from './signing-in.js'

let database: TestDatabase
let logged: string[] = []

beforeAll(async () => {
  database = await migratedDatabase()
  const log = (...args: unknown[]): void => void logged.push(args.map(String).join(' '))
  diag.setLogger(
    { error: log, warn: log, info: log, debug: log, verbose: log },
    { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true },
  )
})

beforeEach(() => {
  logged = []
})

afterAll(async () => {
  diag.disable()
  await database.drop()
})

interface Begun {
  readonly browser: Browser
  readonly issuer: FakeIssuer
  readonly url: string
  readonly state: string
  readonly nonce: string
}

/** Somebody who was sent to the issuer, and is about to come back. */
async function begun(): Promise<Begun> {
  const issuer = await fakeIssuer()
  const { url } = await servedWithSignIn(database.url, issuer.url)
  const browser = new Browser()
  const page = await browser.get(`${url}/auth/login`)
  expect(page.status).toBe(302)
  const query = new URL(page.location ?? '').searchParams
  expect(Object.fromEntries(query)).toMatchObject({
    client_id: 'console',
    response_type: 'code',
    code_challenge_method: 'S256',
    redirect_uri: `${url}/auth/callback`,
    scope: 'openid email profile',
  })
  return { browser, issuer, url, state: query.get('state') ?? '', nonce: query.get('nonce') ?? '' }
}

const ROLE = { roles: ['audit-reader'] }

/** Answers with an ID token as it should be, but for what is changed. */
function answerWith(
  { issuer, nonce }: Begun,
  claims: object = {},
  change?: (jwt: SignJWT) => SignJWT,
  key?: SigningKey,
): void {
  issuer.answer(async () => ({
    body: {
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await issuer.idToken({ nonce, ...ROLE, ...claims }, change, key),
    },
  }))
}

const back = ({ browser, url, state }: Begun, query: Readonly<Record<string, string>> = {}): Promise<Page> =>
  browser.get(
    `${url}/auth/callback?${new URLSearchParams({ code: 'c', state, ...query }).toString()}`,
    'cross-site',
  )

const isSignedIn = async ({ browser, url }: Begun): Promise<boolean> =>
  (JSON.parse((await browser.get(`${url}/auth/config`)).text) as { reader: unknown }).reader !== null

async function rowsOf(what: string): Promise<number> {
  const client = await connect(database.url)
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from noetl.secret_audit where attributes ->> 'what' = $1 or outcome = $1`,
    [what],
  )
  await client.end()
  return rows[0]?.n ?? 0
}

describe('nobody is signed in by', () => {
  const refused = async (sign: Begun, page: Page, status = 401): Promise<void> => {
    expect(page.status).toBe(status)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.getSetCookie()).toEqual([])
    expect(await isSignedIn(sign)).toBe(false)
    expect((await sign.browser.get(sign.url + PATH)).status).toBe(401)
  }

  test.each<[string, (jwt: SignJWT) => SignJWT]>([
    ['another issuer', (jwt) => jwt.setIssuer('https://evil.example')],
    ['a token for somebody else', (jwt) => jwt.setAudience('another')],
    ['a token that has expired', (jwt) => jwt.setExpirationTime('-5m')],
  ])('%s', async (_, change) => {
    const sign = await begun()
    answerWith(sign, {}, change)
    await refused(sign, await back(sign))
  })

  test('a token with another nonce, or without one', async () => {
    for (const nonce of ['another', undefined]) {
      const sign = await begun()
      answerWith(sign, { nonce })
      await refused(sign, await back(sign))
    }
  })

  test('a token that another key has signed, or nobody, or whoever knows the secret', async () => {
    const { privateKey } = await generateKeyPair('RS256')
    const forged = await begun()
    answerWith(forged, {}, undefined, privateKey)
    await refused(forged, await back(forged))

    const unsigned = await begun()
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      ...ROLE,
      nonce: unsigned.nonce,
      iss: unsigned.issuer.url,
      aud: 'console',
      sub: 'x',
      iat: now,
      exp: now + 300,
    }
    unsigned.issuer.answer(() => ({
      body: {
        access_token: 'a',
        token_type: 'Bearer',
        id_token: `${part({ alg: 'none' })}.${part(claims)}.`,
      },
    }))
    await refused(unsigned, await back(unsigned))

    const symmetric = await begun()
    symmetric.issuer.answer(async () => ({
      body: {
        access_token: 'a',
        token_type: 'Bearer',
        id_token: await symmetric.issuer.symmetric({ ...ROLE, nonce: symmetric.nonce }, SECRET),
      },
    }))
    await refused(symmetric, await back(symmetric))
  })

  test('another state than the one that was begun, or none', async () => {
    const other = await begun()
    answerWith(other)
    await refused(other, await back(other, { state: 'another' }))
    const none = await begun()
    answerWith(none)
    await refused(none, await none.browser.get(`${none.url}/auth/callback?code=c`, 'cross-site'))
    expect(none.issuer.exchanged).toEqual([])
  })

  test('a code that comes a second time, or in another browser', async () => {
    const sign = await begun()
    answerWith(sign)
    await refused({ ...sign, browser: new Browser() }, await back({ ...sign, browser: new Browser() }), 400)
    const key = sign.browser.cookie(sign.url, 'otel-audit-sign-in') ?? ''
    expect((await back(sign)).status).toBe(303)
    expect(sign.issuer.exchanged).toHaveLength(1)
    const again = new Browser()
    again.set(sign.url, 'otel-audit-sign-in', key)
    await refused({ ...sign, browser: again }, await back({ ...sign, browser: again }), 400)
    expect(sign.issuer.exchanged, 'nothing was asked of the issuer again').toHaveLength(1)
  })

  test('what the issuer refuses, or what it does not answer', async () => {
    const code = await begun()
    code.issuer.answer(() => ({ status: 400, body: { error: 'invalid_grant' } }))
    await refused(code, await back(code))
    const person = await begun()
    const { searchParams } = new URL(`${person.url}/?error=access_denied&state=${person.state}`)
    await refused(
      person,
      await person.browser.get(`${person.url}/auth/callback?${searchParams.toString()}`, 'cross-site'),
    )
    const broken = await begun()
    broken.issuer.answer(() => undefined)
    await refused(broken, await back(broken), 503)
    const failing = await begun()
    failing.issuer.answer(() => ({ status: 500, body: { error: 'server_error' } }))
    await refused(failing, await back(failing), 503)
    const empty = await begun()
    empty.issuer.answer(() => ({ body: { access_token: 'a', token_type: 'Bearer' } }))
    await refused(empty, await back(empty))
  })

  test('a person without the role, and one whom no row could name', async () => {
    const role = await begun()
    answerWith(role, { roles: ['audit-readers'] })
    await refused(role, await back(role), 403)
    for (const sub of ['', ' ', 'a\u0000', 'x'.repeat(300)]) {
      const nobody = await begun()
      answerWith(nobody, {}, (jwt) => jwt.setSubject(sub))
      await refused(nobody, await back(nobody))
    }
  })

  test('a row that cannot be written', async () => {
    const issuer = await fakeIssuer()
    const audit = { recordStrict: () => Promise.reject(new Error('no database')), recordAsync: () => 0n }
    const { url } = await servedWithSignIn(database.url, issuer.url, {}, { audit })
    const browser = new Browser()
    const { location } = await browser.get(`${url}/auth/login`)
    const query = new URL(location ?? '').searchParams
    const sign = { browser, issuer, url, state: query.get('state') ?? '', nonce: query.get('nonce') ?? '' }
    answerWith(sign)
    await refused(sign, await back(sign), 503)
  })

  test('an issuer that is away, when it begins', async () => {
    const { url } = await servedWithSignIn(database.url, 'http://127.0.0.1:1')
    const page = await new Browser().get(`${url}/auth/login`)
    expect([page.status, page.location]).toEqual([503, null])
    expect(logged.join('\n')).toContain('the issuer did not answer')
  })
})

describe('who is signed in', () => {
  test('has a cookie that no script reads, of another value than whatever was there before', async () => {
    const sign = await begun()
    sign.browser.set(sign.url, 'otel-audit-session', 'planted')
    answerWith(sign)
    const before = await rowsOf('sign_in')
    const page = await back(sign)
    expect([page.status, page.location]).toEqual([303, `${sign.url}/`])
    const cookie = page.headers.getSetCookie().find((line) => line.startsWith('otel-audit-session='))
    expect(cookie).toMatch(/^otel-audit-session=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(await isSignedIn(sign)).toBe(true)
    const fixed = new Browser()
    fixed.set(sign.url, 'otel-audit-session', 'planted')
    expect((await fixed.get(sign.url + PATH)).status).toBe(401)
    expect(await rowsOf('sign_in')).toBe(before + 1)
    expect(sign.issuer.exchanged[0]?.get('code_verifier')).toMatch(/^[\w~.-]{43,128}$/)
  })

  test('is not made to read or sign out by pages of others', async () => {
    const sign = await begun()
    answerWith(sign)
    await back(sign)
    const before = await rowsOf('rows')
    expect((await sign.browser.get(sign.url + PATH, 'cross-site')).status).toBe(401)
    const unknown = await fetch(sign.url + PATH, {
      headers: { cookie: `otel-audit-session=${sign.browser.cookie(sign.url, 'otel-audit-session')}` },
    })
    expect(unknown.status).toBe(401)
    expect(await rowsOf('rows')).toBe(before)
    expect((await sign.browser.get(`${sign.url}/auth/logout`, 'cross-site')).status).toBe(403)
    expect((await sign.browser.get(`${sign.url}/auth/logout`, 'none')).status).toBe(403)
    expect(await isSignedIn(sign)).toBe(true)
    expect((await sign.browser.get(sign.url + PATH, 'none')).status, 'the address was typed').toBe(200)
  })

  test('who sends a token means the token', async () => {
    const sign = await begun()
    answerWith(sign)
    await back(sign)
    const cookie = `otel-audit-session=${sign.browser.cookie(sign.url, 'otel-audit-session')}`
    const site = { cookie, 'sec-fetch-site': 'same-origin' }
    const wrong = await fetch(sign.url + PATH, { headers: { ...site, authorization: 'Bearer wrong' } })
    expect(wrong.status).toBe(403)
    const right = await fetch(sign.url + PATH, { headers: { ...site, authorization: `Bearer ${TOKEN}` } })
    expect(right.status).toBe(200)
  })

  test('is led back to the console of this server, and nowhere else', async () => {
    const { issuer, url } = await begun()
    for (const [given, expected] of [
      ['/?credential=a%20b&from=-1h', '/?credential=a%20b&from=-1h'],
      ['/#x', '/#x'],
      ['//evil.example/', '/'],
      ['/\\evil.example', '/'],
      ['/%5C%5Cevil.example', '/'],
      ['https://evil.example/', '/'],
      ['javascript:alert(1)', '/'],
      ['/api/internal/secret-audit', '/'],
      ['/auth/logout', '/'],
      ['/\t/evil.example', '/'],
      ['', '/'],
    ]) {
      const browser = new Browser()
      const { location } = await browser.get(`${url}/auth/login?return=${encodeURIComponent(given ?? '')}`)
      const query = new URL(location ?? '').searchParams
      const sign = { browser, issuer, url, state: query.get('state') ?? '', nonce: query.get('nonce') ?? '' }
      answerWith(sign)
      expect((await back(sign)).location, given).toBe(url + expected)
    }
  })
})

test('the secret of the client is in no answer, row or line of the log', async () => {
  const sign = await begun()
  sign.issuer.answer(() => ({ status: 400, body: { error: 'invalid_client', error_description: SECRET } }))
  const page = await back(sign)
  const client = await connect(database.url)
  const { rows } = await client.query<{ all: string }>(
    'select secret_audit::text as all from noetl.secret_audit',
  )
  await client.end()
  const everything = [page.text, JSON.stringify([...page.headers]), ...rows.map(({ all }) => all)].join('\n')
  expect(everything).not.toContain(SECRET)
  expect(everything.length).toBeGreaterThan(1000)
})
