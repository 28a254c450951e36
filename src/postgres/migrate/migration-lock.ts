import { performance } from '../../host/globals.js'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import type { Connection } from '../connection.js'
import { migrationError, runStep, schemaStep } from './migration-step.js'
import { rightsSql } from './rights.js'
import { quoteIdentifier, quotedSchema } from '../schema-name.js'
import { type MigrateSession, openSession } from '../session.js'

const POLL_MS = 100
/** An index of a large table takes minutes; a migration that takes longer than this is best waited for by a person. */
const LONGEST_WAIT_MS = 15 * 60_000

const LOCK_NOT_AVAILABLE = '55P03'
const INSUFFICIENT_PRIVILEGE = '42501'

interface LockOptions {
  readonly schema: string
  readonly onProgress: (line: string) => void
  /** Throws where the migration is refused: nothing is made then, the table that is locked neither. */
  readonly mayBegin: () => Promise<unknown>
  /** Default: 15 minutes. */
  readonly longestWaitMs?: number
}

/** Held by nobody but the owner of the trail, and whoever may act as the owner. */
const lockTable = (schema: string): string => `${quotedSchema(schema)}.secret_audit_lock`

/**
 * Waits until no other migration of this schema runs.
 *
 * The lock is on a table that only the owner may lock: any login may take an advisory lock, and keep it. It is held by a
 * session of its own, in a transaction that has neither a snapshot nor an id, so that neither the `CREATE INDEX
 * CONCURRENTLY` of the one that migrates nor a vacuum waits for it; the server releases it when that session ends, however
 * it ends. It polls, since who waits inside `lock table` would have a snapshot.
 *
 * @returns the session that has the lock: closing it releases the lock. Undefined for a login that is not the owner, and
 *   may change nothing
 * @throws AuditError `AUDIT_MIGRATION`, naming who holds the lock, when it is not free in time
 */
export async function lockMigrations(
  client: ClientBase,
  target: MigrateSession,
  { schema, onProgress, mayBegin, longestWaitMs = LONGEST_WAIT_MS }: LockOptions,
): Promise<Connection | undefined> {
  const owner = await makeLockTable(client, schema, onProgress, mayBegin)
  if (owner === undefined) return undefined
  const session = await openSession('migrate', target).catch((error: unknown) => {
    throw migrationError('connect to the database', error)
  })
  try {
    const giveUpAt = performance.now() + longestWaitMs
    for (let told = false; ; told = true) {
      const got = await session.run((own) => tryLock(own, schema, owner))
      if (got === 'locked') return session
      if (got === 'not allowed') break
      if (!told) onProgress(`waiting for another migration of this schema${await holder(client, schema)}`)
      if (performance.now() >= giveUpAt) {
        const who = await holder(client, schema)
        const waited = `waited ${Math.round(longestWaitMs / 1000)} s for another migration of schema ${schema}${who}`
        throw new AuditError(
          'AUDIT_MIGRATION',
          `${waited}; let it end, or end it: select pg_terminate_backend(…)`,
        )
      }
      await pause(POLL_MS)
    }
  } catch (error) {
    await session.close()
    throw error
  }
  await session.close()
  return undefined
}

async function tryLock(
  client: ClientBase,
  schema: string,
  owner: string,
): Promise<'locked' | 'held' | 'not allowed'> {
  await client.query('begin')
  try {
    await client.query(`set local role ${quoteIdentifier(owner)}`)
    await client.query(`lock table ${lockTable(schema)} in exclusive mode nowait`)
    return 'locked'
  } catch (error) {
    await client.query('rollback')
    const { code } = error as { code?: unknown }
    if (code === LOCK_NOT_AVAILABLE) return 'held'
    if (code === INSUFFICIENT_PRIVILEGE) return 'not allowed'
    throw error
  }
}

/**
 * Makes the table when it is not there, and its schema: before the first migration there is nothing else to lock.
 *
 * @returns its owner; undefined when there is none, and this login may not make one
 */
async function makeLockTable(
  client: ClientBase,
  schema: string,
  onProgress: (line: string) => void,
  mayBegin: () => Promise<unknown>,
): Promise<string | undefined> {
  const found = await lockState(client, schema)
  if (found.lockOwner !== null) return found.lockOwner
  if (!found.mayActAsOwner) return undefined
  try {
    await mayBegin()
  } catch (error) {
    // When another migration has begun in between, what was read may be half of before and half of after.
    const { lockOwner } = await lockState(client, schema)
    if (lockOwner === null) throw error
    return lockOwner
  }
  if (!found.schemaExists) {
    const step = schemaStep(schema)
    onProgress(step.title)
    await runStep(client, step, onProgress)
  }
  await runStep(
    client,
    {
      title: 'make the table that is locked',
      sql: `set local role ${quoteIdentifier(found.owner)};
do $$ begin create table ${lockTable(schema)} (); exception when duplicate_table or duplicate_object or unique_violation then null; end $$;
${await rightsSql(schema, 'on the lock')}`,
      mode: 'transaction',
    },
    onProgress,
  )
  return (await lockState(client, schema)).lockOwner ?? undefined
}

interface LockState {
  readonly schemaExists: boolean
  readonly lockOwner: string | null
  /** Of the trail; who connected, when there is none. */
  readonly owner: string
  readonly mayActAsOwner: boolean
}

async function lockState(client: ClientBase, schema: string): Promise<LockState> {
  const { rows } = await client.query<LockState>(
    `select to_regnamespace($1) is not null as "schemaExists",
       (select pg_get_userbyid(relowner) from pg_class where oid = to_regclass($3)) as "lockOwner",
       coalesce(pg_get_userbyid(trail.relowner), current_user) as owner,
       coalesce(pg_has_role(trail.relowner, 'MEMBER'), true) as "mayActAsOwner"
     from (select (select relowner from pg_class where oid = to_regclass($2)) as relowner) trail`,
    [quotedSchema(schema), `${quotedSchema(schema)}.secret_audit`, lockTable(schema)],
  )
  const [state] = rows
  if (!state) throw new Error('no row from a select that has one')
  return state
}

/** Who has the lock. Another login's application is not told to everybody. */
async function holder(client: ClientBase, schema: string): Promise<string> {
  const { rows } = await client.query<{ pid: number; application: string | null; seconds: number | null }>(
    `select l.pid, a.application_name as application, extract(epoch from clock_timestamp() - a.xact_start)::int as seconds
     from pg_locks l left join pg_stat_activity a on a.pid = l.pid
     where l.relation = to_regclass($1) and l.granted and l.mode = 'ExclusiveLock'
       and l.database = (select oid from pg_database where datname = current_database())`,
    [lockTable(schema)],
  )
  const [session] = rows
  if (!session) return ''
  const { pid, application, seconds } = session
  const since = seconds === null ? '' : `, since ${seconds} s`
  return ` (pid ${pid}, ${application || 'unnamed'}${since})`
}
