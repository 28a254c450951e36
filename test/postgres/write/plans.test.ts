import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from 'pg'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { waitUntil } from '../../support/wait-until.js'

// The statements of a writer are planned once a connection, which may be when the table is empty.

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  // Statistics would have plans made anew, sooner or later.
  await owner.query(`do $$ declare p text; begin
    for p in select partition from noetl.secret_audit_partitions() loop
      execute format('alter table noetl.%I set (autovacuum_enabled = off)', p); end loop; end $$`)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

test('a plan that was made for an empty table reads by index when it is not empty any more', async () => {
  const scans = async (): Promise<{ whole: number; indexed: number }> => {
    const { rows } = await owner.query<{ whole: number; indexed: number }>(
      `select coalesce(sum(seq_scan), 0)::int as whole, coalesce(sum(idx_scan), 0)::int as indexed
       from pg_stat_user_tables where relname ~ '^secret_audit_y'`,
    )
    return rows[0] ?? { whole: 0, indexed: 0 }
  }
  const before = await scans()
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  const first = batchOf(anEvent(), anEvent())
  for (const batch of [first, batchOf(anEvent()), batchOf(anEvent(), anEvent(), anEvent())]) {
    expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
  }
  // What is there already is looked up by its ids.
  expect(await sink.write(first)).toMatchObject({ status: 'conflict' })
  await sink.close()
  await waitUntil('the statistics', async () => (await scans()).indexed > before.indexed)
  expect((await scans()).whole).toBe(before.whole)
})
