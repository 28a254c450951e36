import { ChangingFile, withoutLineBreak } from '../host/changing-file.js'
import { timingSafeEqual } from '../host/crypto.js'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'
import type { Principal } from '../event/self-rows.js'
import { Problem } from './problem.js'

/** Decides who may read the trail. */
export interface Authenticator {
  /**
   * Who sent the request. Called for every request that reads.
   *
   * @throws Problem 401 without credentials, 403 when they do not suffice, 503 when no authentication is configured
   */
  authenticate(request: Request): Promise<Omit<Principal, 'sourceAddress'>>
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="secret audit"' }
/** A longer one is not a token. */
const LONGEST_TOKEN = 8192
const TOKEN = /^[\x21-\x7e]+$/

/** Denies everyone: no authentication is configured. */
export const nobody: Authenticator = {
  authenticate: () =>
    Promise.reject(
      new Problem(503, 'No authentication is configured, so every read is denied.', {
        hint: 'Set NOETL_INTERNAL_API_TOKEN (or …_FILE), or an OpenID Connect issuer and audience.',
      }),
    ),
}

/** The reader that holders of the shared token are. */
export const API_TOKEN_READER = 'internal-api-token'

/**
 * Admits the holder of one token. Compares in constant time, whatever the lengths.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for a token that no client could send, as one with the line break of the file
 *   it came from
 */
export function bearerToken(token: string): Authenticator {
  const expected = tokenHash(token, 'apiToken')
  return { authenticate: async (request) => sharedReader(request, expected) }
}

/**
 * The same for a token in a file, less the line break at its end. The file is read again when it has changed: from then on the
 * former token is denied.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the file cannot be read, or its text is not a token
 */
export async function bearerTokenFile(file: string): Promise<Authenticator> {
  const field = 'apiTokenFile'
  const known = await ChangingFile.open(file, {
    parse: (text) => tokenHash(withoutLineBreak(text), field),
    unusable: (why, cause) =>
      new AuditError('AUDIT_INVALID_OPTION', `${field} ${file}: ${why}`, { field, cause }),
    what: 'the token',
  })
  return { authenticate: async (request) => sharedReader(request, await known.current()) }
}

function tokenHash(token: string, field: string): Buffer {
  if (TOKEN.test(token) && token.length <= LONGEST_TOKEN) return sha256(token)
  const message = `the token must be 1 to ${LONGEST_TOKEN} printable ASCII characters without white space: clients send no other (does it end with the line break of a file?)`
  throw new AuditError('AUDIT_INVALID_OPTION', message, { field })
}

function sharedReader(request: Request, expected: Buffer): Omit<Principal, 'sourceAddress'> {
  if (!timingSafeEqual(sha256(bearerOf(request)), expected)) throw wrongToken()
  return { actorId: API_TOKEN_READER, actorType: 'service' }
}

/** Admits whom either admits: a token with the shape of a JWT is judged by the second. */
export function either(token: Authenticator, oidc: Authenticator): Authenticator {
  return {
    authenticate: (request) =>
      /^[\w-]+\.[\w-]+\.[\w-]+$/.test(bearerOf(request))
        ? oidc.authenticate(request)
        : token.authenticate(request),
  }
}

/** Admits whom one of them admits. What the last one says is said to others. */
export function anyOf(first: Authenticator, ...others: readonly Authenticator[]): Authenticator {
  const [second, ...rest] = others
  if (second === undefined) return first
  const next = anyOf(second, ...rest)
  return {
    authenticate: (request) =>
      first.authenticate(request).catch((error: unknown) => {
        if (error instanceof Problem && error.document.status === 403) return next.authenticate(request)
        throw error
      }),
  }
}

/** The bearer token of a request. @throws Problem 401 without one */
export function bearerOf(request: Request): string {
  const [, token] = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (token !== undefined && token.length <= LONGEST_TOKEN) return token
  throw new Problem(401, 'A bearer token is required.', { headers: CHALLENGE })
}

export function wrongToken(): Problem {
  return new Problem(403, 'This token may not read the trail.')
}
