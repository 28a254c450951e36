import { isServerError } from './faults.js'

/** What lets nobody in, by SQLSTATE, its class, or the code that Node gives it, and what mends it. */
const REMEDIES: Readonly<Record<string, string>> = Object.freeze({
  '28': 'check user and password of DATABASE_URL, and pg_hba.conf of the server',
  '3D': 'check the database of DATABASE_URL; one that is new: createdb, then otel-audit migrate',
  '53300': 'raise max_connections of the server, or the CONNECTION LIMIT of the role',
  ECONNREFUSED: 'start the server, or check host and port of DATABASE_URL',
  ENOTFOUND: 'check the host of DATABASE_URL',
})

const AT_THE_DOOR = 'check that the server runs, and host, port, user, password and database of DATABASE_URL'

/** What to change when no connection can be made, or one was made and is of no use. */
export function remedyOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  const known = typeof code === 'string' ? (REMEDIES[code] ?? REMEDIES[code.slice(0, 2)]) : undefined
  return known ?? (isServerError(error) ? 'otel-audit doctor looks further' : AT_THE_DOOR)
}
