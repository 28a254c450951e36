import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from 'oidc-provider'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { PATH, TOKEN } from '../served.js'
import { Browser, type Page } from './browser.js'
import { freePort, SECRET, servedWithSignIn } from './signing-in.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

const ROLES: Readonly<Record<string, readonly string[]>> = {
  'jane@example.com': ['audit-reader'],
  'joe@example.com': [],
}

/** A real provider, with its own pages for logging in. */
async function provider(redirectUrl: string): Promise<string> {
  // It says on the console what is not for production.
  for (const method of ['info', 'warn'] as const) {
    const quiet = vi.spyOn(console, method).mockReturnValue()
    onTestFinished(() => quiet.mockRestore())
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { callback } = {
    callback: new Provider(issuer, {
      clients: [
        {
          client_id: 'console',
          client_secret: SECRET,
          redirect_uris: [redirectUrl],
          response_types: ['code'],
          grant_types: ['authorization_code'],
          token_endpoint_auth_method: 'client_secret_basic',
        },
      ],
      claims: { openid: ['sub', 'roles'], email: ['email', 'email_verified'], profile: ['name'] },
      // Else only a second request would have them.
      conformIdTokenClaims: false,
      pkce: { required: () => true },
      cookies: { keys: ['canary-cookie-key'] },
      findAccount: (_: unknown, id: string) => ({
        accountId: id,
        claims: () => ({
          sub: `sub-of-${id}`,
          email: id,
          email_verified: true,
          name: id,
          roles: ROLES[id] ?? [],
        }),
      }),
    }).callback(),
  }
  server.on('request', callback)
  return issuer
}

/** As a person does: from the console to the issuer, through its pages, and back. */
async function signIn(
  browser: Browser,
  url: string,
  login: string,
  returnTo = '/?credential=orders-db',
): Promise<Page> {
  let page = await browser.get(`${url}/auth/login?return=${encodeURIComponent(returnTo)}`)
  for (let step = 0; step < 12; step++) {
    const { location, text } = page
    if (location !== null && location.startsWith(url) && !location.includes('/auth/')) return page
    if (location !== null) {
      page = await browser.get(location, 'cross-site')
      continue
    }
    const [, action = ''] = /action="([^"]+)"/.exec(text) ?? []
    if (action === '') return page
    const isLogin = text.includes('value="login"')
    page = await browser.post(
      action,
      isLogin ? { prompt: 'login', login, password: 'x' } : { prompt: 'consent' },
    )
  }
  throw new Error('the sign-in goes round in circles')
}

async function reads(): Promise<Record<string, unknown>[]> {
  const client = await connect(database.url)
  const { rows } = await client.query(
    `select actor_id, actor_type, outcome, source_address, attributes ->> 'what' as what from noetl.secret_audit
     where operation = 'query_trail' order by audit_id`,
  )
  await client.end()
  return rows as Record<string, unknown>[]
}

test('a person signs in at a real issuer, reads under their own name, and signs out', async () => {
  const port = await freePort()
  const issuer = await provider(`http://127.0.0.1:${port}/auth/callback`)
  const { url } = await servedWithSignIn(database.url, issuer, { port, readerClaim: 'email' })
  const browser = new Browser()
  const config = async () =>
    JSON.parse((await browser.get(`${url}/auth/config`)).text) as Record<string, unknown>

  expect(await config()).toEqual({ sign_in: true, token: true, reader: null })
  expect((await browser.get(url + PATH)).status).toBe(401)
  const back = await signIn(browser, url, 'jane@example.com')
  expect(back.location).toBe(`${url}/?credential=orders-db`)
  expect(await config()).toMatchObject({
    reader: { name: 'jane@example.com', until: expect.stringMatching(/^\d{4}-/) },
  })
  expect((await browser.get(`${url}${PATH}?from=-1h`)).status).toBe(200)
  const rows = await reads()
  expect(rows.at(-2)).toEqual({
    actor_id: 'jane@example.com',
    actor_type: 'user',
    outcome: 'ok',
    source_address: '127.0.0.1',
    what: 'sign_in',
  })
  expect(rows.at(-1)).toMatchObject({ actor_id: 'jane@example.com', what: 'rows' })

  const kept = browser.cookie(url, 'otel-audit-session') ?? ''
  expect((await browser.get(`${url}/auth/logout`)).location).toBe(`${url}/`)
  expect(await config()).toMatchObject({ reader: null })
  browser.set(url, 'otel-audit-session', kept)
  expect((await browser.get(url + PATH)).status, 'the cookie is not worth anything any more').toBe(401)
  const byToken = await fetch(url + PATH, { headers: { authorization: `Bearer ${TOKEN}` } })
  expect(byToken.status).toBe(200)
})

test('a person without the role is told so, and nothing is kept', async () => {
  const port = await freePort()
  const issuer = await provider(`http://127.0.0.1:${port}/auth/callback`)
  const { url } = await servedWithSignIn(database.url, issuer, { port })
  const browser = new Browser()
  const page = await signIn(browser, url, 'joe@example.com')
  expect(page.status).toBe(403)
  expect(page.text).toContain('you do not have the role audit-reader')
  expect((await browser.get(url + PATH)).status).toBe(401)
})
