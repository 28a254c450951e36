import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import { within } from '../host/timers.js'
import { Connection } from './connection.js'
import type { DatabaseUrl } from './database-url.js'
import { giveParameters, newClient } from './pg-client.js'
import { refuseStranger } from './server-proof.js'
import {
  differs,
  encoded,
  isOfPooler,
  refusedByPooler,
  refusedByServer,
  refusedSetting,
} from './session-refusal.js'
import { readBack, readBackSql, type SessionFacts, type WantedSettings } from './session-settings.js'
import { type ExpectedTrail, refuseAnotherTrail } from './trail-identity.js'

export interface SessionTarget {
  readonly databaseUrl: DatabaseUrl
  /** Name of the session in `pg_stat_activity`. */
  readonly applicationName: string
  /** The trail that must be there: another one ends the session. Undefined: whichever is there. */
  readonly expected?: ExpectedTrail | undefined
}

export interface WriteSession extends SessionTarget {
  /** How long connecting, and any one answer, may take, in ms. */
  readonly answerTimeoutMs: number
  /** `on`, or `remote_apply` where a synchronous standby must have applied the row. */
  readonly synchronousCommit: 'on' | 'remote_apply'
}

interface QuerySession extends SessionTarget {
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

interface SessionPlan extends WantedSettings {
  /** How long connecting may take, and then the settings, in ms. */
  readonly connectTimeoutMs: number
  /** How long any one answer may take, in ms. `Infinity`: no limit. */
  readonly answerTimeoutMs: number
  /** Text that a block has, or a name of the application's, must have a place in the database. */
  readonly stores: boolean
}

/** For sessions without a time-out of their own: long for a network, short for a person who waits. */
const CONNECT_TIMEOUT_MS = 10_000

/** How long one of the short statements of a verification may take, in ms; COPYs have a limit of their own. */
const LOOKUP_TIMEOUT_MS = 60_000

/** How long a session of short statements may be in a transaction and ask for nothing, in ms. */
const IDLE_IN_TRANSACTION_MS = '60000'

/**
 * The one table of what sessions are like, beside what all of them have.
 *
 * `synchronous_commit` below `on` would make "committed" untrue. A `statement_timeout` below our own timer gives most
 * failures a known fate. A verification and a migration have no such limit on the server: a COPY of the whole trail and
 * an index of a large table take as long as they take.
 */
const PLANS: { readonly [P in keyof SessionOptions]: (options: SessionOptions[P]) => SessionPlan } = {
  write: ({ answerTimeoutMs, synchronousCommit }) => ({
    connectTimeoutMs: answerTimeoutMs,
    answerTimeoutMs,
    // To plan the proof of a batch again each time would take longer than to run it. A plan that is kept may have been made
    // for a table that was empty: it must not read one that is not from end to end.
    own: {
      ...shortStatements(answerTimeoutMs, 'off'),
      lock_timeout: String(lockTimeoutMs(answerTimeoutMs)),
      plan_cache_mode: 'force_generic_plan',
      enable_seqscan: 'off',
    },
    leastCommit: synchronousCommit,
    stores: true,
  }),
  query: ({ answerTimeoutMs }) => ({
    connectTimeoutMs: answerTimeoutMs,
    answerTimeoutMs,
    own: { ...shortStatements(answerTimeoutMs, 'on'), synchronous_commit: 'on' },
    leastCommit: undefined,
    stores: false,
  }),
  verify: () => ({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: LOOKUP_TIMEOUT_MS,
    own: { ...longStatements('off'), synchronous_commit: 'on' },
    leastCommit: undefined,
    isPaced: true,
    stores: false,
  }),
  migrate: ({ readOnly }) => ({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: Number.POSITIVE_INFINITY,
    own: longStatements(readOnly ? 'on' : 'off'),
    leastCommit: 'on',
    stores: true,
  }),
}

const shortStatements = (answerTimeoutMs: number, readOnly: 'on' | 'off'): WantedSettings['own'] => ({
  default_transaction_read_only: readOnly,
  statement_timeout: String(statementTimeoutMs(answerTimeoutMs)),
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
})

const longStatements = (readOnly: 'on' | 'off'): WantedSettings['own'] => ({
  default_transaction_read_only: readOnly,
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
})

/** The server gives up a statement first, and says so: our own timer is for one that does not answer. */
export function statementTimeoutMs(answerTimeoutMs: number): number {
  return Math.max(1, Math.floor(answerTimeoutMs * 0.8))
}

/**
 * Before that: whose lock is in the way is then known to be the reason, and of a batch that waited for one in a transaction
 * that somebody left open, that it is not stored.
 */
function lockTimeoutMs(answerTimeoutMs: number): number {
  return Math.max(1, Math.floor(answerTimeoutMs * 0.4))
}

/**
 * Opens a session of Postgres. Nothing else in this library makes a client of `pg`.
 *
 * Its settings are start-up parameters, and are read back before anything else is asked: one that differs ends it
 * before any SET, which a pooler would hand on to other clients.
 *
 * @param signal cuts the socket while the session is not open yet
 * @throws the reason of a signal that was aborted before; AuditError `AUDIT_INVALID_OPTION` for a URL that is not one,
 *   `AUDIT_SESSION` for a session that cannot be as it has to be, `AUDIT_TRAIL` for one with another trail; else what the
 *   connection throws
 */
export async function openSession<P extends keyof SessionOptions>(
  purpose: P,
  options: SessionOptions[P],
  signal?: AbortSignal,
): Promise<Connection> {
  const { default: pg } = await import('pg')
  signal?.throwIfAborted()
  const plan = PLANS[purpose](options)
  const databaseUrl = await urlOf(options.databaseUrl, plan.connectTimeoutMs)
  signal?.throwIfAborted()
  const client = newClient(pg, databaseUrl, options.applicationName)
  giveParameters(client, plan)
  const connection = new Connection(client, plan.answerTimeoutMs)
  const giveUp = (): void => connection.destroy()
  signal?.addEventListener('abort', giveUp)
  try {
    await connection.connect(plan.connectTimeoutMs, async (queries) => {
      refuseStranger(connection.entrance)
      connection.facts = await settle(queries, plan)
      if (options.expected !== undefined) await refuseAnotherTrail(queries, options.expected)
    })
    return connection
  } catch (error) {
    if (isOfPooler(error)) throw refusedByPooler(error)
    const setting = refusedSetting(error)
    throw setting === undefined ? error : refusedByServer(setting, error)
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** What a function of the application throws may quote the URL: its text goes nowhere. */
async function urlOf(databaseUrl: DatabaseUrl, longestMs: number): Promise<string> {
  if (typeof databaseUrl === 'string') return databaseUrl
  let url: unknown
  const asked = (async () => {
    url = await databaseUrl()
  })()
  try {
    await within(longestMs, asked)
  } catch (error) {
    if (error instanceof AuditError) throw error
    throw withoutUrl('the function that gives databaseUrl throws')
  }
  if (typeof url === 'string') return url
  throw withoutUrl(`the function that gives databaseUrl gives none within ${longestMs} ms`)
}

function withoutUrl(problem: string): AuditError {
  const remedy = 'It is called at each connect, and must give a string in that time.'
  return new AuditError('AUDIT_SESSION', problem, { field: 'databaseUrl', remedy })
}

async function settle(client: ClientBase, plan: SessionPlan): Promise<SessionFacts> {
  const { rows } = await client.query<unknown[]>({ text: readBackSql(plan), rowMode: 'array' })
  const { facts, differences, yetToSet } = readBack(plan, rows[0] ?? [])
  const { processID } = client as ClientBase & { readonly processID?: number | null }
  const isProxied = String(processID) !== facts.backend
  const [different] = differences
  if (different !== undefined) throw differs(different, isProxied)
  if (plan.stores && facts.encoding !== 'UTF8') throw encoded(facts.encoding)
  const [first] = Object.entries(yetToSet)
  if (first === undefined) return facts
  // In a pool the setting would outlast us.
  if (isProxied) throw differs({ name: first[0], wanted: first[1], found: 'another value' }, true)
  const sets = Object.entries(yetToSet).map(([name, value]) => `set ${name} = ${value}`)
  await client.query(sets.join(';'))
  return facts
}
