import { afterEach, describe, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from '../postgres/adopt/original-table.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { expectOurs, sql } from '../support/ours.js'

const databases: TestDatabase[] = []

afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop()
})

async function tracked(database: Promise<TestDatabase>): Promise<string> {
  databases.push(await database)
  return (await database).url
}

async function original(): Promise<string> {
  const url = await tracked(emptyDatabase())
  await sql(url, 'create schema noetl', ...ORIGINAL_START_UP)
  const client = await connect(url)
  for (let i = 0; i < 5; i++) await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now(), i)))
  await client.end()
  return url
}

// One that was restored from an older server: `npm run moves:check`.
describe('a trail is ours', () => {
  test('when it was made just now', async () => {
    await expectOurs(await tracked(migratedDatabase()))
  })

  test('when it was made of the original’s table', async () => {
    const url = await original()
    await migrate({ databaseUrl: url, roles: true })
    await expectOurs(url)
  })

  test('when an older version made it, and the newest one has updated it', async () => {
    const url = await tracked(migratedDatabase())
    await sql(
      url,
      'drop function noetl.secret_audit_written(bigint[]), noetl.secret_audit_proven(bigint[]), noetl.secret_audit_field(bytea, text)',
      'drop function noetl.secret_audit_elsewhere(bigint[], bigint[], bigint[], bigint[])',
      'drop table noetl.secret_audit_quarantine, noetl.secret_audit_quarantine_end',
      'drop function noetl.secret_audit_same_event(bigint[], bytea[], text[], boolean[]), noetl.secret_audit_set_aside(json, uuid, bigint, int), noetl.secret_audit_quarantine_partition(timestamp)',
      'drop type noetl.secret_audit_row_v1',
      'drop table noetl.secret_audit_chain_start; drop function noetl.secret_audit_append_only_block() cascade',
      'create trigger secret_audit_append_only before update or delete or truncate on noetl.secret_audit_block for each statement execute function noetl.secret_audit_append_only()',
      'drop table noetl.secret_audit_retirement, noetl.secret_audit_leaf, noetl.secret_audit_hold',
      'drop function noetl.secret_audit_pending(), noetl.secret_audit_is_retired(bigint, bigint)',
      'drop index noetl.secret_audit_block_ids, noetl.secret_audit_block_keys',
      'drop table noetl.secret_audit_partitioning',
      'drop function noetl.secret_audit_partition_width(), noetl.secret_audit_first_id(timestamp), noetl.secret_audit_id_time(bigint), noetl.secret_audit_uncovered(bigint, bigint)',
      'drop function noetl.secret_audit_missing_partitions(bigint, bigint), noetl.secret_audit_missing_ahead(int), noetl.secret_audit_create_partition(text, bigint, bigint)',
      'drop function noetl.secret_audit_ensure_partitions(), noetl.secret_audit_gaps(), noetl.secret_audit_set_partition_width(text)',
      'drop table noetl.secret_audit_trail; drop function noetl.secret_audit_begin_trail(boolean)',
      'alter table noetl.secret_audit drop constraint secret_audit_not_ahead, drop constraint secret_audit_sizes',
      'alter table noetl.secret_audit_block drop constraint secret_audit_block_sizes',
      'delete from noetl.secret_audit_migration where number >= 5',
    )
    await migrate({ databaseUrl: url })
    await expectOurs(url)
  })
})
