import { oidcSignIn, type SignIn, type SignInOptions } from 'otel-audit/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authenticatorOf, signInOf } from '../../../src/server/authenticator-of.js'
import { KeyedValues } from '../../../src/server/sign-in/keyed-values.js'
import { migratedDatabase, type TestDatabase } from '../../support/database.js'
import { PATH, served } from '../served.js'
import { fakeIssuer } from './fake-issuer.js'
import { servedWithSignIn } from './signing-in.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

test('behind TLS the cookies are of this very host', async () => {
  const issuer = await fakeIssuer()
  const options: SignInOptions = {
    issuer: issuer.url,
    clientId: 'console',
    redirectUrl: 'https://audit.example/auth/callback',
    role: 'r',
    roleClaim: 'roles',
  }
  const signIn: SignIn = await oidcSignIn(options)
  const { cookie, location } = await signIn.begin('/?a=b')
  expect(cookie).toMatch(
    /^__Host-otel-audit-sign-in=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  expect(new URL(location).searchParams.get('redirect_uri')).toBe('https://audit.example/auth/callback')
  const reader = { actorId: 'jane', actorType: 'user' } as const
  const [session = ''] = signIn.admit(new Request('https://audit.example/'), { reader, untilMs: 0 })
  expect(session).toMatch(
    /^__Host-otel-audit-session=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
})

describe('what somebody else has the keys of', () => {
  const MINUTE = 60_000

  test('ends at its time, or when it is taken back', () => {
    const values = new KeyedValues<string>({ lifetimeMs: MINUTE, most: 10 })
    const key = values.put('jane', 0)
    expect(key).toMatch(/^[\w-]{43}$/)
    expect(values.get(key, MINUTE - 1)).toBe('jane')
    expect(values.get(key, MINUTE)).toBeUndefined()
    values.remove(key)
    expect(values.get(key, 0)).toBeUndefined()
    values.remove(undefined)
    for (const wrong of [undefined, '', 'x', key.toUpperCase()]) expect(values.get(wrong, 0)).toBeUndefined()
  })

  test('is taken once', () => {
    const values = new KeyedValues<string>({ lifetimeMs: MINUTE, most: 10 })
    const key = values.put('jane', 0)
    expect([values.take(key, 1), values.take(key, 1)]).toEqual(['jane', undefined])
  })

  test('is of a limited number: of more, the oldest go, and what has ended', () => {
    const values = new KeyedValues<number>({ lifetimeMs: MINUTE, most: 2 })
    const keys = [values.put(0, 0), values.put(1, 0), values.put(2, 0)]
    expect(keys.map((key) => values.get(key, 0))).toEqual([undefined, 1, 2])
    const late = values.put(3, MINUTE)
    expect([...keys, late].map((key) => values.get(key, 1))).toEqual([undefined, undefined, undefined, 3])
  })
})

describe('where nobody can sign in', () => {
  test('it is said, and there is no way in', async () => {
    const { get } = await served(database.url)
    expect((await get('/auth/config', {})).body).toEqual({ sign_in: false, token: true, reader: null })
    for (const path of ['/auth/login', '/auth/callback?code=x&state=y', '/auth/logout']) {
      expect((await get(path, {})).status, path).toBe(404)
    }
    const nobody = await served(database.url, { authenticator: undefined })
    expect((await nobody.get('/auth/config', {})).body).toMatchObject({ token: false })
  })

  test('without a token, who is not signed in is told where', async () => {
    const issuer = await fakeIssuer()
    const { url } = await servedWithSignIn(database.url, issuer.url, {}, { authenticator: undefined })
    const answer = await fetch(url + PATH)
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ hint: 'Sign in at /auth/login.' })
  })
})

describe('options that are refused', () => {
  const fine = {
    issuer: 'https://issuer.example',
    clientId: 'console',
    redirectUrl: 'https://audit.example/auth/callback',
    role: 'r',
    roleClaim: 'roles',
  }

  test.each([
    ['oidcRedirectUrl', { redirectUrl: 'http://audit.example/auth/callback' }],
    ['oidcRedirectUrl', { redirectUrl: 'https://audit.example/' }],
    ['oidcRedirectUrl', { redirectUrl: 'https://audit.example/auth/callback?x=1' }],
    ['oidcRedirectUrl', { redirectUrl: 'audit.example' }],
    ['oidcIssuer', { issuer: 'http://issuer.example' }],
    ['clientId', { clientId: '' }],
    ['role', { role: '' }],
    ['readerClaim', { readerClaim: '' }],
    ['sessionMinutes', { sessionMinutes: 0 }],
    ['sessionMinutes', { sessionMinutes: 1441 }],
    ['oidcClientSecretFile', { clientSecretFile: '/nowhere' }],
    ['oidcClientSecretFile', { clientSecretFile: '/dev/null' }],
  ])('%s: %j', async (field, given) => {
    await expect(oidcSignIn({ ...fine, ...given })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field,
    })
  })
})

describe('by the options', () => {
  const role = { oidcRole: 'r', oidcRoleClaim: 'roles' }
  const whole = {
    ...role,
    oidcIssuer: 'https://issuer.example',
    oidcClientId: 'console',
    oidcRedirectUrl: 'https://audit.example/auth/callback',
  }

  test('people sign in when issuer, client and redirect URL are there, and tokens need an audience', async () => {
    expect(await signInOf(role)).toBeUndefined()
    expect(await signInOf(whole)).toBeDefined()
    expect(await authenticatorOf(whole), 'no token of the issuer is for this server').toBeUndefined()
    expect(await authenticatorOf({ ...whole, oidcAudience: 'secret-audit' })).toBeDefined()
  })

  test.each([
    ['oidcIssuer', { oidcIssuer: undefined }],
    ['oidcClientId', { oidcClientId: undefined }],
    ['oidcRedirectUrl', { oidcRedirectUrl: undefined }],
  ])('without %s nothing starts', async (field, given) => {
    await expect(signInOf({ ...whole, ...given })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field,
    })
  })
})
