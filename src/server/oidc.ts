import type { JWTVerifyGetKey } from 'jose'
import { AuditError } from '../errors.js'
import { checkText } from '../host/check.js'
import { TEXT_LIMITS } from '../event/fields.js'
import { type Authenticator, bearerOf } from './authentication.js'
import { isLoopback } from './loopback.js'
import { Problem } from './problem.js'

export interface OidcOptions {
  readonly issuer: string
  readonly audience: string
  readonly role: string
  /** The claim that has the roles; with dots for a claim inside claims. */
  readonly roleClaim: string
  /** The claim that names the reader in the rows. Default: `sub`. */
  readonly readerClaim?: string | undefined
}

/** Signatures by a private key only: what the verifier knows must not suffice to sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const DISCOVERY_TIMEOUT_MS = 5000
/** How far the issuer's clock may be off, in seconds. */
const CLOCK_TOLERANCE_S = 30

/**
 * Admits the holder of a token of an OpenID Connect issuer with the audience and the role. The issuer's keys are found
 * through its discovery document, at the first request, and cached.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE` without `jose`, `AUDIT_INVALID_OPTION` for an issuer that is not an
 *   `https` URL: anyone who can change its answers could admit themselves
 */
export async function oidc(options: OidcOptions): Promise<Authenticator> {
  checkIssuer(options.issuer)
  // One that is missing is not asked for: any token of the issuer would do.
  for (const name of ['audience', 'role', 'roleClaim'] as const) checkText(name, options[name])
  const jose = await import('jose').catch((cause: unknown) => {
    throw new AuditError('AUDIT_MISSING_PACKAGE', 'OpenID Connect needs the package jose: npm install jose', {
      cause,
    })
  })
  let keys: Promise<JWTVerifyGetKey> | undefined
  return {
    async authenticate(request) {
      const token = bearerOf(request)
      keys ??= discover(options.issuer).then((url) => jose.createRemoteJWKSet(url))
      const found = await keys.catch((): never => {
        keys = undefined
        throw issuerAway()
      })
      const { issuer, audience, role, roleClaim, readerClaim = 'sub' } = options
      const { payload } = await jose
        .jwtVerify(token, found, {
          issuer,
          audience,
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_TOLERANCE_S,
          requiredClaims: ['sub', 'exp'],
        })
        .catch((error: unknown): never => {
          if (error instanceof jose.errors.JWKSTimeout || !(error instanceof jose.errors.JOSEError))
            throw issuerAway()
          throw new Problem(401, 'The token is expired, or not valid for this audience.', INVALID_TOKEN)
        })
      if (!rolesOf(payload, roleClaim).includes(role)) {
        throw new Problem(403, `The token does not have the role ${role}.`)
      }
      return { actorId: readerOf(payload, readerClaim), actorType: 'user' }
    },
  }
}

const INVALID_TOKEN = {
  headers: { 'www-authenticate': 'Bearer realm="secret audit", error="invalid_token"' },
}

/**
 * The row about the read names the reader: without a name, or with something else in its place, nobody would be named.
 *
 * @throws Problem 401
 */
export function readerOf(claims: Readonly<Record<string, unknown>>, claim: string): string {
  const name = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  // Whoever writes any address into his own account must not be taken for its owner.
  const isOwned = claim !== 'email' || claims['email_verified'] !== false
  if (
    isOwned &&
    typeof name === 'string' &&
    name.trim() !== '' &&
    !/\p{C}/u.test(name) &&
    name.length <= TEXT_LIMITS.actorId
  ) {
    return name
  }
  const what = claim === 'sub' ? 'subject' : `${claim} (verified)`
  throw new Problem(401, `The token names no ${what} that a row could name.`, INVALID_TOKEN)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkIssuer(issuer: string): void {
  const { protocol, hostname } = URL.canParse(issuer) ? new URL(issuer) : { protocol: '', hostname: '' }
  const isHere = protocol === 'http:' && isLoopback(hostname.replaceAll(/[[\]]/g, ''))
  if (protocol === 'https:' || isHere) return
  throw new AuditError('AUDIT_INVALID_OPTION', 'oidcIssuer must be an https URL', { field: 'oidcIssuer' })
}

async function discover(issuer: string): Promise<URL> {
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const answer = await fetch(url, { signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS), redirect: 'error' })
  if (!answer.ok) throw new Error(`the issuer answered ${answer.status}`)
  const document = (await answer.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
  // OpenID Connect Discovery 1.0, 4.3: the document must be this issuer's.
  if (document.issuer !== issuer) throw new Error('the discovery document is of another issuer')
  return new URL(String(document.jwks_uri))
}

export function rolesOf(payload: Readonly<Record<string, unknown>>, claim: string): readonly unknown[] {
  let value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined
  if (value === undefined) {
    value = payload
    for (const name of claim.split('.')) {
      const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      value = isObject ? (value as Record<string, unknown>)[name] : undefined
    }
  }
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value : []
}

function issuerAway(): Problem {
  return new Problem(503, 'The keys of the token issuer cannot be fetched.', {
    headers: { 'retry-after': '5' },
  })
}
