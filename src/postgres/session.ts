import type { Client, CustomTypesConfig } from 'pg'
import { AuditError } from '../errors.js'
import { Connection, type Referencing } from './connection.js'

interface SessionTarget {
  readonly databaseUrl: string
  /** Name of the session in `pg_stat_activity`. */
  readonly applicationName: string
}

export interface WriteSession extends SessionTarget {
  /** How long connecting, and any one answer, may take, in ms. */
  readonly answerTimeoutMs: number
  /** `on`, or `remote_apply` where a synchronous standby must have applied the row. */
  readonly synchronousCommit: 'on' | 'remote_apply'
}

export interface QuerySession extends SessionTarget {
  /** How long connecting, and any one answer, may take, in ms. */
  readonly answerTimeoutMs: number
}

export interface MigrateSession extends SessionTarget {
  /** For a dry run: nothing can be written. */
  readonly readOnly: boolean
}

/** By purpose: what sessions are opened for, and what each needs to know. */
export interface SessionOptions {
  /** Rows and blocks of a writer; and whoever asks what such a session is worth: its self-test, and `doctor`. */
  readonly write: WriteSession
  /** One statement after the other, for people who read the trail. */
  readonly query: QuerySession
  /** One of the two of a snapshot: a transaction that lasts as long as the trail is long. */
  readonly verify: SessionTarget
  /** Changes of the schema. */
  readonly migrate: MigrateSession
}

interface SessionPlan {
  /** How long connecting may take, and then the settings, in ms. */
  readonly connectTimeoutMs: number
  /** How long any one answer may take, in ms. `Infinity`: no limit. */
  readonly answerTimeoutMs: number
  /** Settings that a role, a database or the server may have set otherwise, as `set` takes their values. */
  readonly settings: Readonly<Record<string, string>>
}

/** For sessions without a time-out of their own: long for a network, short for a person who waits. */
const CONNECT_TIMEOUT_MS = 10_000

/** How long one of the short statements of a verification may take, in ms; COPYs have a limit of their own. */
const LOOKUP_TIMEOUT_MS = 60_000

/** What {@link PARSERS} relies on. */
const AS_PARSED = { client_encoding: "'UTF8'", bytea_output: "'hex'" }

/** A policy that would hide rows is an error, and not a silence. */
const NOTHING_HIDDEN = { row_security: 'off' }

const NO_LIMIT = { statement_timeout: '0', idle_in_transaction_session_timeout: '0' }

/**
 * The one table of what sessions are like.
 *
 * `synchronous_commit` below `on` would make "committed" untrue. A `statement_timeout` below our own timer gives most
 * failures a known fate. A verification and a migration have no such limit on the server: a COPY of the whole trail and
 * an index of a large table take as long as they take.
 */
const PLANS: { readonly [P in keyof SessionOptions]: (options: SessionOptions[P]) => SessionPlan } = {
  write: ({ answerTimeoutMs, synchronousCommit }) => ({
    connectTimeoutMs: answerTimeoutMs,
    answerTimeoutMs,
    settings: statementSettings(answerTimeoutMs, synchronousCommit, 'off'),
  }),
  query: ({ answerTimeoutMs }) => ({
    connectTimeoutMs: answerTimeoutMs,
    answerTimeoutMs,
    settings: { ...statementSettings(answerTimeoutMs, 'on', 'on'), ...NOTHING_HIDDEN },
  }),
  verify: () => ({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: LOOKUP_TIMEOUT_MS,
    settings: { ...AS_PARSED, ...NO_LIMIT, ...NOTHING_HIDDEN },
  }),
  migrate: ({ readOnly }) => ({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: Number.POSITIVE_INFINITY,
    settings: {
      ...AS_PARSED,
      ...NO_LIMIT,
      search_path: 'pg_catalog, pg_temp',
      lock_timeout: '0',
      default_transaction_isolation: "'read committed'",
      default_transaction_read_only: readOnly ? 'on' : 'off',
      client_min_messages: 'warning',
    },
  }),
}

function statementSettings(
  answerTimeoutMs: number,
  synchronousCommit: string,
  readOnly: 'on' | 'off',
): Readonly<Record<string, string>> {
  return {
    ...AS_PARSED,
    synchronous_commit: synchronousCommit,
    default_transaction_isolation: "'read committed'",
    default_transaction_read_only: readOnly,
    statement_timeout: String(statementTimeoutMs(answerTimeoutMs)),
    timezone: "'UTC'",
  }
}

/** The server gives up a statement first, and says so: our own timer is for one that does not answer. */
export function statementTimeoutMs(answerTimeoutMs: number): number {
  return Math.max(1, Math.floor(answerTimeoutMs * 0.8))
}

/**
 * Opens a session of Postgres. Nothing else in this library makes a client of `pg`.
 *
 * @param signal cuts the socket while the session is not open yet
 * @throws the reason of a signal that was aborted before; AuditError `AUDIT_INVALID_OPTION` for a URL that is not one;
 *   else what the connection throws
 */
export async function openSession<P extends keyof SessionOptions>(
  purpose: P,
  options: SessionOptions[P],
  signal?: AbortSignal,
): Promise<Connection> {
  const { default: pg } = await import('pg')
  signal?.throwIfAborted()
  const plan = PLANS[purpose](options)
  const connection = new Connection(newClient(pg.Client, options), plan.answerTimeoutMs)
  const giveUp = (): void => connection.destroy()
  signal?.addEventListener('abort', giveUp)
  try {
    await connection.connect(plan.connectTimeoutMs, settingsText(plan.settings))
    return connection
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

function newClient(
  PgClient: typeof Client,
  { databaseUrl, applicationName }: SessionTarget,
): Client & Referencing {
  try {
    return new PgClient({
      connectionString: databaseUrl,
      application_name: applicationName,
      keepAlive: true,
      types: OWN_TYPES,
    }) as Client & Referencing
  } catch {
    // The error would quote the URL, and with it the password.
    const field = 'databaseUrl'
    throw new AuditError('AUDIT_INVALID_OPTION', `${field} is not a Postgres URL`, { field })
  }
}

function settingsText(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `set ${name} = ${value}`)
    .join(';')
}

/**
 * How our sessions read values: text, but for these types. The parsers of `pg` are one table for the whole process, and
 * applications change it; 64-bit integers as JavaScript numbers would round audit ids.
 */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't', // boolean
  17: (text) => Buffer.from(text.slice(2), 'hex'), // bytea
  23: Number, // int4
}
const asText = (text: string): string => text
const OWN_TYPES: CustomTypesConfig = { getTypeParser: (type: number) => PARSERS[type] ?? asText }
