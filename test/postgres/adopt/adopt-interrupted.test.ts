import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SCHEMA_VERSION } from '../../../src/postgres/schema-version.js'
import { migrate } from '../../../src/postgres/migrate/migrate.js'
import { listPartitions } from '../../../src/postgres/partitions.js'
import { connect, emptyDatabase, type TestDatabase } from '../../support/database.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from './original-table.js'

let database: TestDatabase
let client: pg.Client
/** Somebody else's session, which stands in the way. */
let other: pg.Client
let rows: number

beforeEach(async () => {
  database = await emptyDatabase()
  client = await connect(database.url)
  other = await connect(database.url)
  await client.query('create schema noetl')
  for (const statement of ORIGINAL_START_UP) await client.query(statement)
  rows = 0
  for (let n = 0; n < 20; n++) await insert()
})

afterEach(async () => {
  await client.end()
  await other.end()
  await database.drop()
})

/** As the original does, which knows nothing of an adoption. */
async function insert(time = Date.now()): Promise<void> {
  await client.query(ORIGINAL_INSERT, originalValues(idAt(time, rows++)))
}

/** The table is the first partition with all its rows, and nothing of the way there is left. */
async function expectWhole(): Promise<void> {
  await insert()
  expect((await client.query('select count(*)::int as n from noetl.secret_audit')).rows).toEqual([
    { n: rows },
  ])
  const partitions = await listPartitions(client, 'noetl')
  expect(partitions[0]?.name).toBe('secret_audit_adopted')
  const now = new Date()
  expect(partitions.at(-1)?.toId).toBe(idAt(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 13)))
  const { rows: left } = await client.query(`
    select conname as what from pg_constraint where conname = 'secret_audit_adoption_bound'
    union all
    select indexrelid::regclass::text from pg_index where not indisvalid
    union all
    select indexrelid::regclass::text from pg_index i where indrelid = 'noetl.secret_audit_adopted'::regclass
      and not exists (select from pg_inherits where inhrelid = indexrelid)`)
  expect(left).toEqual([{ what: 'noetl.secret_audit_credential_time_original' }])
}

/** Runs a migration until it says a line that matches, and hands over the promise of its end. */
async function untilProgress(line: RegExp, now?: Date): Promise<{ end: Promise<unknown>; lines: string[] }> {
  const lines: string[] = []
  let end: Promise<unknown> = Promise.resolve()
  await new Promise<void>((resolve, reject) => {
    end = migrate({
      databaseUrl: database.url,
      ...(now ? { now } : {}),
      onProgress(said) {
        lines.push(said)
        if (line.test(said)) resolve()
      },
    }).catch((error: unknown) => error)
    void end.then((result) => reject(new Error(`it ended without saying ${line}: ${String(result)}`)))
  })
  return { end, lines }
}

/** Ends the server's side of the migration, once it waits for a lock. What a kill of its process comes to, too. */
async function killWhileWaiting(): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
         and application_name = 'otel-audit migrate' and wait_event_type = 'Lock'`,
    )
    if (rowCount === 1) return
    await pause(20)
  }
}

/** The titles of the steps, and the script of those before the one that attaches the table. */
async function dryRun(): Promise<{ titles: string[]; beforeAttach: string[] }> {
  const { sql = '' } = await migrate({ databaseUrl: database.url, dryRun: true })
  const parts = sql.split(/^(?=-- (?:adopt|migration|make))/m)
  const attach = parts.findIndex((part) => part.startsWith('-- adopt: attach'))
  return {
    titles: parts.slice(1).map((part) => part.slice(3, part.indexOf('\n'))),
    beforeAttach: parts.slice(0, attach),
  }
}

/** The definition of the check on the ids, if it is on the table. */
async function bound(): Promise<string | undefined> {
  const { rows: found } = await client.query<{ def: string }>(
    `select pg_get_constraintdef(oid) as def from pg_constraint where conname = 'secret_audit_adoption_bound'`,
  )
  return found[0]?.def
}

test('stopped before any of its steps, it leaves a table that takes inserts, and the next migrate goes on from there', async () => {
  const { titles } = await dryRun()
  expect(titles).toHaveLength(7 + SCHEMA_VERSION)
  for (const title of titles) {
    const stopped = migrate({
      databaseUrl: database.url,
      onProgress(line) {
        if (line === title) throw new Error(`stopped before ${title}`)
      },
    })
    await expect(stopped).rejects.toMatchObject({
      message: expect.stringContaining(`stopped before ${title}`),
    })
    // Whether anybody runs the migration again or not: in some weeks the original still can insert.
    expect(await bound()).toBeUndefined()
    await insert()
  }
  const report = await migrate({ databaseUrl: database.url })
  expect(report).toMatchObject({ adopted: false, applied: [] }) // Only the partitions were left to be made.
  await expectWhole()
})

test('killed while it builds an index: the unfinished index is built anew', async () => {
  // An index build waits for every older snapshot.
  await other.query('begin isolation level repeatable read')
  await other.query('select 1')
  const { end } = await untilProgress(/build index secret_audit_adopted_credential_time/)
  await insert()
  await killWhileWaiting()
  expect(await end).toMatchObject({ code: 'AUDIT_MIGRATION' })
  await other.query('commit')
  const { rows: invalid } = await client.query(
    'select indexrelid::regclass::text as name from pg_index where not indisvalid',
  )
  expect(invalid).toEqual([{ name: 'noetl.secret_audit_adopted_credential_time' }])
  await insert()

  const { end: second, lines } = await untilProgress(/drop the unfinished index/)
  expect(await second).toMatchObject({ adopted: true })
  expect(lines).toContain('adopt: build index secret_audit_adopted_credential_time')
  await expectWhole()
})

test('killed while the check on the ids is on the table: it says what is left, and the next migrate goes on', async () => {
  for (const part of (await dryRun()).beforeAttach) await client.query(part)
  await other.query('begin')
  await other.query('select count(*) from noetl.secret_audit')
  const { end, lines } = await untilProgress(/^adopt: attach/)
  await killWhileWaiting()
  expect(await end).toMatchObject({ code: 'AUDIT_MIGRATION' })
  expect(lines.at(-1)).toContain('drop the constraint secret_audit_adoption_bound')
  expect(await bound()).toBeDefined()
  await other.query('commit')
  await insert()

  const { end: second, lines: left } = await untilProgress(/^adopt: attach/)
  expect(await second).toMatchObject({ adopted: true })
  expect(left.filter((line) => line.startsWith('adopt'))).toHaveLength(1)
  await expectWhole()
})

test('a bound that an unfinished adoption left long ago is moved', async () => {
  for (const part of (await dryRun()).beforeAttach) await client.query(part)
  const outdated = await bound()
  expect(outdated).toMatch(/^CHECK \(\(audit_id < '\d+'::bigint\)\)$/)
  const inFortyDays = new Date(Date.now() + 40 * 24 * 3600_000)
  const { end } = await untilProgress(/^adopt: check that all ids are/, inFortyDays)
  expect(await end).toMatchObject({ adopted: true })
  const [adopted] = await listPartitions(client, 'noetl')
  expect(adopted?.toId).toBeGreaterThanOrEqual(idAt(inFortyDays.getTime() + 24 * 3600_000))
  expect(outdated).not.toContain(`'${adopted?.toId}'`)
  await expectWhole()
})

test('a reader in the way of the exclusive lock delays the adoption, not the inserts', async () => {
  await other.query('begin')
  await other.query('select count(*) from noetl.secret_audit')
  const { end } = await untilProgress(
    /waiting for a lock, attempt 1 of \d+ \(oldest open transaction: pid \d+, .*idle in transaction/,
  )
  for (let n = 0; n < 10; n++) await insert()
  await other.query('commit')
  expect(await end).toMatchObject({ adopted: true })
  await expectWhole()
})
