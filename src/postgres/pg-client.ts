import type { Client, defaults } from 'pg'
import { AuditError } from '../errors.js'
import type { PgClient } from './connection.js'
import { startupOptions, type WantedSettings } from './session-settings.js'

/** How long the system may be silent on a connection before it asks whether the server is there, in ms: less than NAT. */
const KEEPALIVE_DELAY_MS = 30_000

type Defaults = Record<keyof typeof defaults, unknown>

/** What `pg` takes where nothing else is given: those of the package, which the application may have changed. */
const PRISTINE: Partial<Defaults> = Object.freeze({
  host: 'localhost',
  database: undefined,
  password: null,
  port: 5432,
  binary: false,
  client_encoding: '',
  ssl: false,
  application_name: undefined,
  fallback_application_name: undefined,
  options: undefined,
  statement_timeout: false,
  lock_timeout: false,
  idle_in_transaction_session_timeout: false,
  query_timeout: false,
})

/** Makes a client at one go, so that nobody else sees the defaults meanwhile. */
export function newClient(
  pg: { readonly Client: typeof Client; readonly defaults: typeof defaults },
  databaseUrl: string,
  applicationName: string,
): PgClient {
  const values: Partial<Defaults> = pg.defaults
  const names = [...Object.keys(PRISTINE), 'user'] as (keyof Defaults)[]
  // No more than these: `parseInt8` among them would change the parsers of the application.
  const applications = names.map((name) => [name, Object.hasOwn(values, name), values[name]] as const)
  try {
    Object.assign(values, PRISTINE, { user: process.env[process.platform === 'win32' ? 'USERNAME' : 'USER'] })
    return new pg.Client({
      connectionString: databaseUrl,
      application_name: applicationName,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
    }) as unknown as PgClient
  } catch (error) {
    // The error would quote the URL, and with it the password.
    const field = 'databaseUrl'
    const { code, syscall } = error as NodeJS.ErrnoException
    const problem =
      syscall === undefined
        ? `${field} is not a Postgres URL`
        : `a file that ${field} names (sslrootcert, sslcert or sslkey) cannot be read (${code})`
    throw new AuditError('AUDIT_INVALID_OPTION', problem, { field })
  } finally {
    for (const [name, isOwn, value] of applications) {
      if (isOwn) values[name] = value
      else delete values[name]
    }
  }
}

/** What `pg` has put together from URL, environment and defaults. */
interface Parameters {
  options: string | undefined
  statement_timeout: unknown
  lock_timeout: unknown
  idle_in_transaction_session_timeout: unknown
  query_timeout: unknown
  replication: unknown
}

/** Parameters of their own would be taken after `options`, and count instead. */
export function giveParameters(client: PgClient, wanted: WantedSettings): void {
  const { connectionParameters } = client as unknown as { connectionParameters: Parameters }
  Object.assign(connectionParameters, {
    options: startupOptions(connectionParameters.options, wanted),
    statement_timeout: false,
    lock_timeout: false,
    idle_in_transaction_session_timeout: false,
    query_timeout: false,
    replication: undefined,
  } satisfies Parameters)
}
