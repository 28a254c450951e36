import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import { quotedSchema } from '../schema-name.js'

/** A part of a migration that is done as a whole or not at all. */
export interface MigrationStep {
  /** One line for the operator. */
  readonly title: string
  readonly sql: string
  /**
   * `transaction`: in a transaction that waits for locks no longer than `LOCK_TIMEOUT`, and is then tried again.
   * `online`: one statement outside of a transaction, which may wait for long but stops no insert.
   */
  readonly mode: 'transaction' | 'online'
}

/**
 * How long a step may wait for a lock, while inserts queue up behind it. Longer than the server's `deadlock_timeout`
 * (1 s), after which an autovacuum that is in the way gets cancelled; shorter than a strict caller's deadline (5 s).
 */
const LOCK_TIMEOUT = '3s'
/** How often a step is tried; with the pauses between, about five minutes. */
const LOCK_ATTEMPTS = 30
const PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8000

const LOCK_NOT_AVAILABLE = '55P03'
const DEADLOCK_DETECTED = '40P01'

/** The step as a script for psql. */
export function stepScript({ title, sql, mode }: MigrationStep): string {
  const body = sql.trim()
  if (mode === 'online') return `-- ${title}\n${body}\n`
  return `-- ${title}\nbegin;\nset local lock_timeout = '${LOCK_TIMEOUT}';\n${body}\ncommit;\n`
}

/** Somebody else may create the schema at this moment. */
export function schemaStep(schema: string): MigrationStep {
  return {
    title: `create schema ${schema}`,
    sql: `do $$ begin create schema ${quotedSchema(schema)}; exception when duplicate_schema or unique_violation then null; end $$;`,
    mode: 'transaction',
  }
}

/**
 * Runs one step. A transaction that cannot get its locks is tried again, so that nothing has to wait behind it for long.
 *
 * @throws AuditError `AUDIT_MIGRATION`; nothing of a `transaction` step is left then
 */
export async function runStep(
  client: ClientBase,
  step: MigrationStep,
  onProgress: (line: string) => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await (step.mode === 'online' ? client.query(step.sql) : transaction(client, step.sql))
      return
    } catch (error) {
      const { code } = error as { code?: unknown }
      const locked = code === LOCK_NOT_AVAILABLE || code === DEADLOCK_DETECTED
      if (!locked || attempt >= LOCK_ATTEMPTS) throw migrationError(step.title, error)
      onProgress(
        `${step.title}: waiting for a lock, attempt ${attempt} of ${LOCK_ATTEMPTS}${await oldest(client)}`,
      )
      await pause(Math.min(PAUSE_MS * attempt, LONGEST_PAUSE_MS))
    }
  }
}

async function transaction(client: ClientBase, sql: string): Promise<void> {
  await client.query('begin')
  try {
    await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
    await client.query(sql)
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {}) // The connection may be what failed.
    throw error
  }
}

/** Most often it is the oldest open transaction that is in the way: its owner can be asked to end it. */
async function oldest(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ pid: number; application: string; state: string; seconds: number }>(`
    select pid, application_name as application, state, extract(epoch from now() - xact_start)::int as seconds
    from pg_stat_activity activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null and state is not null
      -- Not the session that has the lock of the migrations: it is ours, and in nobody's way.
      and not exists (select from pg_locks l join pg_class c on c.oid = l.relation
                      where l.pid = activity.pid and c.relname = 'secret_audit_lock')
    order by xact_start limit 1`)
  const [session] = rows
  if (!session) return ''
  const { pid, application, state, seconds } = session
  return ` (oldest open transaction: pid ${pid}, ${application || 'unnamed'}, ${state}, ${seconds} s)`
}

/**
 * Names the step, the SQLSTATE and the primary message. What else a database error carries may quote rows or the
 * connection string, and is left behind.
 */
export function migrationError(step: string, error: unknown): AuditError {
  if (error instanceof AuditError) return error
  const { code = '', message = '' } = error as { code?: string; message?: string }
  const problem = message !== '' && message.includes(code) ? message : `${code} ${message}`
  return new AuditError('AUDIT_MIGRATION', `${step}: ${problem}`, {
    cause: Object.assign(new Error(message), { code }),
  })
}
