import { AuditError } from '../errors.js'
import { NoAnswer } from './connection.js'
import { isServerError } from './faults.js'

const OF_THE_CA =
  'name the certificate of the CA that signed it: DATABASE_URL with ?sslmode=verify-full&sslrootcert=/path/ca.pem'

const NOBODY_ANSWERS =
  'what is between here and the server drops what is sent: check the firewall, the security group and the port'

/** What lets nobody in, by SQLSTATE, its class, or the code that Node gives it, and what mends it. */
const REMEDIES: Readonly<Record<string, string>> = Object.freeze({
  '28': 'check user and password of DATABASE_URL, and pg_hba.conf of the server',
  '3D': 'check the database of DATABASE_URL; one that is new: createdb, then otel-audit migrate',
  '53300': 'raise max_connections of the server, or the CONNECTION LIMIT of the role',
  ECONNREFUSED: 'start the server, or check host and port of DATABASE_URL',
  ENOTFOUND: 'check the host of DATABASE_URL',
  EAI_AGAIN: 'the name server does not answer: check the host of DATABASE_URL, and DNS',
  ETIMEDOUT: NOBODY_ANSWERS,
  EHOSTUNREACH: NOBODY_ANSWERS,
  ENETUNREACH: NOBODY_ANSWERS,
  SELF_SIGNED_CERT_IN_CHAIN: OF_THE_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: OF_THE_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: OF_THE_CA,
  UNABLE_TO_GET_ISSUER_CERT: OF_THE_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: OF_THE_CA,
  CERT_HAS_EXPIRED: 'renew the certificate of the server, or set the clock of this machine',
  CERT_NOT_YET_VALID: 'set the clock of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'use the host name that the certificate of the server is for',
  ENOENT: 'check the paths of sslrootcert, sslcert and sslkey in DATABASE_URL, and that of a socket',
  EACCES: 'check who may read the files and the socket that DATABASE_URL names',
})

const AT_THE_DOOR = 'check that the server runs, and host, port, user, password and database of DATABASE_URL'

/** What to change when no connection can be made, or one was made and is of no use. */
export function remedyOf(error: unknown): string {
  if (error instanceof AuditError) return error.remedy
  if (error instanceof NoAnswer) return NOBODY_ANSWERS
  if (error instanceof Error && /does not support SSL/.test(error.message)) {
    return 'switch TLS on in the server (ssl = on); sslmode=disable is for networks that nobody else is on'
  }
  const { code } = (error ?? {}) as { readonly code?: unknown }
  const known = typeof code === 'string' ? (REMEDIES[code] ?? REMEDIES[code.slice(0, 2)]) : undefined
  return known ?? (isServerError(error) ? 'otel-audit doctor looks further' : AT_THE_DOOR)
}
