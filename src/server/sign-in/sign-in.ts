import { readFile } from 'node:fs/promises'
import { AuditError } from '../../errors.js'
import type { Principal } from '../../event/self-rows.js'
import { checkInteger, checkText } from '../../host/check.js'
import { performance, wallClock } from '../../host/globals.js'
import { givenOptions } from '../../host/own.js'
import type { Authenticator } from '../authentication.js'
import { isLoopback } from '../loopback.js'
import { checkIssuer, readerOf, rolesOf } from '../oidc.js'
import { Problem } from '../problem.js'
import { type BegunSignIn, CodeFlow } from './code-flow.js'
import { Cookies } from './cookies.js'
import { KeyedValues } from './keyed-values.js'

export interface SignInOptions {
  /** Of OpenID Connect: an `https` URL. */
  readonly issuer: string
  readonly clientId: string
  /** File with the secret of the client. Default: a public client, which has PKCE only. */
  readonly clientSecretFile?: string | undefined
  /** Where the issuer sends the browser back to: `https://<host>/auth/callback`, as it is registered there. */
  readonly redirectUrl: string
  /** Default: `openid email profile`. */
  readonly scope?: string | undefined
  /** The role that a person must have, in an ID token. */
  readonly role: string
  /** The claim that has the roles; with dots for a claim inside claims. */
  readonly roleClaim: string
  /** The claim that names the reader in the rows. Default: `sub`. */
  readonly readerClaim?: string | undefined
  /** How long a sign-in lasts, in minutes. Default: 480. */
  readonly sessionMinutes?: number | undefined
}

/** Who is signed in. */
export interface Session {
  readonly reader: Omit<Principal, 'sourceAddress'>
  /** ms since the Unix epoch. */
  readonly untilMs: number
}

interface Pending extends BegunSignIn {
  readonly returnTo: string
}

export const CALLBACK_PATH = '/auth/callback'
const SESSION_COOKIE = 'otel-audit-session'
const PENDING_COOKIE = 'otel-audit-sign-in'

const MINUTE_MS = 60_000
/** From the way to the issuer to the way back: with a password and a second factor. */
const PENDING_MS = 10 * MINUTE_MS
const SESSION_MINUTES = 480
const MOST_MINUTES = 1440
const MOST_PENDING = 10_000
const MOST_SESSIONS = 10_000

/** What is answered when the way back has brought something else than a person who may read. */
export type SignInEnd =
  | { readonly returnTo: string; readonly session: Session }
  | { readonly problem: 'not begun' }

/**
 * Signs people in by the code flow, and knows them by a cookie.
 *
 * A sign-in is kept in the memory of this process: it ends with it, at its time, or when the person signs out. What a person
 * may do is decided when it begins. The cookie is taken only from pages of this very origin (`Sec-Fetch-Site`): a read is
 * a row, and pages of others must not make somebody leave one.
 */
export class SignIn {
  readonly #options: SignInOptions & { readonly readerClaim: string }
  readonly #flow: CodeFlow
  readonly #cookies: Cookies
  readonly #lifetimeMs: number
  readonly #sessions: KeyedValues<Session>
  readonly #pending: KeyedValues<Pending>

  /** @internal use {@link oidcSignIn} */
  constructor(options: SignInOptions & { readonly readerClaim: string }, flow: CodeFlow) {
    this.#options = options
    this.#flow = flow
    this.#cookies = new Cookies(new URL(options.redirectUrl).protocol === 'https:')
    this.#lifetimeMs = (options.sessionMinutes ?? SESSION_MINUTES) * MINUTE_MS
    this.#sessions = new KeyedValues({ lifetimeMs: this.#lifetimeMs, most: MOST_SESSIONS })
    this.#pending = new KeyedValues({ lifetimeMs: PENDING_MS, most: MOST_PENDING })
  }

  /** Who sent a request, if the cookie of a sign-in is with it. */
  sessionOf(request: Request): Session | undefined {
    if (!isOfThisOrigin(request)) return undefined
    return this.#sessions.get(this.#cookies.read(request, SESSION_COOKIE), performance.now())
  }

  /**
   * @returns where to send the browser, and the cookie by which it is known when it comes back
   * @throws SignInFailure when the issuer does not answer
   */
  async begin(returnTo: string | null): Promise<{ readonly location: string; readonly cookie: string }> {
    const { url, begun } = await this.#flow.begin()
    const key = this.#pending.put({ ...begun, returnTo: ownPath(returnTo) }, performance.now())
    return { location: url.href, cookie: this.#cookies.set(PENDING_COOKIE, key, PENDING_MS / 1000) }
  }

  /**
   * The way back from the issuer. Nobody is signed in by it: see {@link admit}.
   *
   * @throws SignInFailure; Problem 403 for a person without the role
   */
  async finish(request: Request): Promise<SignInEnd> {
    // Once: whoever comes back a second time with the same code has nothing to come back to.
    const pending = this.#pending.take(this.#cookies.read(request, PENDING_COOKIE), performance.now())
    if (pending === undefined) return { problem: 'not begun' }
    const claims = await this.#flow.finish(new URL(request.url).search, pending)
    const { role, roleClaim, readerClaim } = this.#options
    if (!rolesOf(claims, roleClaim).includes(role)) {
      throw new Problem(403, `You are signed in, but you do not have the role ${role}.`)
    }
    const reader = { actorId: readerOf(claims, readerClaim), actorType: 'user' } as const
    return { returnTo: pending.returnTo, session: { reader, untilMs: wallClock() + this.#lifetimeMs } }
  }

  /** @returns the cookies with which the person is signed in: another key than whichever the browser had before */
  admit(request: Request, session: Session): readonly string[] {
    this.#sessions.remove(this.#cookies.read(request, SESSION_COOKIE))
    const key = this.#sessions.put(session, performance.now())
    return [
      this.#cookies.set(SESSION_COOKIE, key, this.#lifetimeMs / 1000),
      this.#cookies.clear(PENDING_COOKIE),
    ]
  }

  /** @returns the cookie that takes the place of the one that is not worth anything any more */
  end(request: Request): string {
    this.#sessions.remove(this.#cookies.read(request, SESSION_COOKIE))
    return this.#cookies.clear(SESSION_COOKIE)
  }
}

/**
 * Signs people in by OpenID Connect: for {@link TrailAppOptions.signIn}.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one, `AUDIT_MISSING_PACKAGE` without openid-client
 */
export async function oidcSignIn(given: SignInOptions): Promise<SignIn> {
  const options = givenOptions(given)
  const { readerClaim = 'sub' } = options
  checkIssuer(options.issuer)
  for (const name of ['clientId', 'redirectUrl', 'role', 'roleClaim'] as const) checkText(name, options[name])
  checkText('readerClaim', readerClaim)
  checkRedirectUrl(options.redirectUrl)
  checkInteger('sessionMinutes', options.sessionMinutes ?? SESSION_MINUTES, 1, MOST_MINUTES)
  const clientSecret = await secretFrom(options.clientSecretFile)
  const { issuer, clientId, redirectUrl, scope = 'openid email profile' } = options
  return new SignIn(
    { ...options, readerClaim },
    await CodeFlow.of({ issuer, clientId, clientSecret, redirectUrl, scope }),
  )
}

/** Admits who is signed in, and otherwise whom `other` admits. */
export function signedInOr(signIn: SignIn, other: Authenticator): Authenticator {
  return {
    authenticate: async (request) => {
      // Who sends a token means it.
      const isByToken = request.headers.has('authorization')
      const session = isByToken ? undefined : signIn.sessionOf(request)
      return session === undefined ? other.authenticate(request) : session.reader
    },
  }
}

/** Where nobody is admitted by a token. */
export const notSignedIn: Authenticator = {
  authenticate: () =>
    Promise.reject(new Problem(401, 'Nobody is signed in.', { hint: 'Sign in at /auth/login.' })),
}

/** Only the console of this server: anything else would lead people who trust this address somewhere else. */
function ownPath(given: string | null): string {
  const base = 'http://console.invalid'
  if (given === null || !given.startsWith('/') || /[\\\p{C}]/u.test(given)) return '/'
  const url = URL.canParse(given, base) ? new URL(given, base) : undefined
  return url?.origin === base && url.pathname === '/' ? `/${url.search}${url.hash}` : '/'
}

/** By the browser's word, which no page can change. `none`: the person typed the address. */
function isOfThisOrigin(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site')
  return site === 'same-origin' || site === 'none'
}

function checkRedirectUrl(redirectUrl: string): void {
  const url = URL.canParse(redirectUrl) ? new URL(redirectUrl) : undefined
  const isHere = url?.protocol === 'http:' && isLoopback(url.hostname.replaceAll(/[[\]]/g, ''))
  const isFine =
    (url?.protocol === 'https:' || isHere) &&
    url?.pathname === CALLBACK_PATH &&
    url.search === '' &&
    url.hash === ''
  if (isFine) return
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `oidcRedirectUrl must be the https URL under which browsers reach this server, with the path ${CALLBACK_PATH}`,
    { field: 'oidcRedirectUrl' },
  )
}

async function secretFrom(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const code = String((cause as { code?: unknown }).code)
    throw new AuditError('AUDIT_INVALID_OPTION', `the file of the client's secret cannot be read (${code})`, {
      field: 'oidcClientSecretFile',
      cause,
    })
  })
  const secret = text.replace(/\r?\n$/, '')
  if (secret !== '') return secret
  throw new AuditError('AUDIT_INVALID_OPTION', 'the file of the client’s secret is empty', {
    field: 'oidcClientSecretFile',
  })
}
