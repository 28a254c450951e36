import { AuditError } from '../errors.js'
import { isServerError, withoutRowContents } from './faults.js'
import type { Difference } from './session-settings.js'

const OWN_ADDRESS =
  'Give otel-audit the address of the Postgres server itself, or of a pool in session mode that passes start-up parameters on; docs/operations.md has a table of poolers.'

export function differs({ name, wanted, found }: Difference, isProxied: boolean): AuditError {
  const problem = `the setting ${name} is ${found} in this session, and must be ${wanted}`
  const whose = isProxied
    ? `: there is a pooler between here and the server, which does not pass it on`
    : `, although the session asked for it`
  const remedy = isProxied
    ? OWN_ADDRESS
    : `Look for what sets ${name}: a pooler that drops start-up parameters, a login event trigger, ALTER ROLE … SET, ALTER DATABASE … SET, postgresql.conf. ${OWN_ADDRESS}`
  return new AuditError('AUDIT_SESSION', problem + whose, { field: name, remedy })
}

export function encoded(encoding: string): AuditError {
  return new AuditError(
    'AUDIT_SESSION',
    `the database has the encoding ${encoding}, which cannot hold every name and every signature; it must be UTF8`,
    {
      field: 'server_encoding',
      remedy: "Make a database for the trail: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
    },
  )
}

/** PgBouncer and those built on it, and RDS Proxy: they answer before there is a session. */
export function isOfPooler(error: unknown): error is Error {
  return isServerError(error) && /startup parameter|command-line options/i.test(error.message)
}

export function refusedByPooler(cause: Error): AuditError {
  return new AuditError(
    'AUDIT_SESSION',
    `a pooler refuses the settings that the session needs: ${withoutRowContents(cause).message}`,
    { cause: withoutRowContents(cause), field: 'databaseUrl', remedy: OWN_ADDRESS },
  )
}

/**
 * Which setting of the start-up message the server does not take. The name alone is told: the rest of what a server says may be
 * of somebody's making.
 */
export function refusedSetting(error: unknown): string | undefined {
  if (!isServerError(error) || error.code !== '22023') return undefined
  return / for parameter "([\w.]{1,63})"/.exec(error.message)?.[1]
}

export function refusedByServer(name: string, cause: unknown): AuditError {
  return new AuditError('AUDIT_SESSION', `the server does not take the value of the setting ${name}`, {
    cause: withoutRowContents(cause),
    field: name,
    remedy: `Look for what sets ${name}: PGOPTIONS, and options=… of the URL.`,
  })
}
