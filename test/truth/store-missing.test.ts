import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/postgres/connection.js'
import { openSession } from '../../src/postgres/session.js'
import { inspectStore } from '../../src/postgres/store/inspection.js'
import { judgeStore } from '../../src/postgres/store/judge.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { verifiedTrail } from '../support/verified.js'

// Whatever of the store a migration made and somebody drops is found, or refused by its name. What is neither has a line in
// docs/schema.md: the indexes that are not unique, without which reading is slow.

let database: TestDatabase
let owner: Client
let session: Connection

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  session = await openSession('write', {
    databaseUrl: database.url,
    applicationName: 'otel-audit store',
    answerTimeoutMs: 60_000,
    synchronousCommit: 'on',
  })
})

afterAll(async () => {
  await session.close()
  await owner.end()
  await database.drop()
})

/** What is found when this has been done. It is undone afterwards. */
function findings(sql = ''): Promise<string[]> {
  return session.run(async (client) => {
    await client.query(`begin; ${sql}`)
    try {
      return judgeStore(await inspectStore(client, 'noetl'), new Set()).map(({ message }) => message)
    } finally {
      await client.query('rollback')
    }
  })
}

/** Every object of the tables that are written to and of the schema: its name, and the SQL that takes it away. */
async function objects(): Promise<readonly { readonly name: string; readonly sql: string }[]> {
  const { rows } = await owner.query<{ name: string; sql: string }>(`
    with root as (select unnest(array['noetl.secret_audit'::regclass, 'noetl.secret_audit_block'::regclass,
      'noetl.secret_audit_quarantine'::regclass, 'noetl.secret_audit_quarantine_end'::regclass]) as oid)
    select conname as name, format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as sql
    from pg_constraint join root on root.oid = conrelid where contype in ('c', 'p', 'u')
    union all
    select tgname || ' of ' || tgrelid::regclass, format('drop trigger %I on %s', tgname, tgrelid::regclass)
    from pg_trigger join root on root.oid = tgrelid where not tgisinternal
    union all
    select tgname || ' of ' || tgrelid::regclass || ', disabled', format('alter table %s disable trigger %I', tgrelid::regclass, tgname)
    from pg_trigger join root on root.oid = tgrelid where not tgisinternal
    union all
    select proname, format('drop function %s cascade', p.oid::regprocedure)
    from pg_proc p where pronamespace = 'noetl'::regnamespace
    union all
    select proname || ', without its search_path', format('alter function %s reset search_path', p.oid::regprocedure)
    from pg_proc p where pronamespace = 'noetl'::regnamespace
    union all
    select attname || ' of ' || attrelid::regclass, format('alter table %s alter %I drop not null', attrelid::regclass, attname)
    from pg_attribute a join root on root.oid = attrelid
    where attnotnull and attnum > 0 and not exists (
      select from pg_index i where i.indrelid = attrelid and indisprimary and attnum = any (indkey))
    union all
    select attname || ' of ' || attrelid::regclass || ', its default', format('alter table %s alter %I drop default', attrelid::regclass, attname)
    from pg_attribute a join root on root.oid = attrelid
    where atthasdef and attname <> 'occurred_at'
    union all
    select attname || ' of ' || attrelid::regclass || ' itself', format('alter table %s drop column %I cascade', attrelid::regclass, attname)
    from pg_attribute a join root on root.oid = attrelid
    where attnum > 0 and not (attrelid = 'noetl.secret_audit'::regclass and attname = 'audit_id')
      and not (attrelid = 'noetl.secret_audit_quarantine'::regclass and attname = 'quarantine_id')
    union all
    select 'the type that rows are sent as', 'drop type noetl.secret_audit_row_v1 cascade'
    order by 1`)
  return rows
}

test('a store as it was made has no finding', async () => {
  expect(await findings()).toEqual([])
})

test('each thing that a migration made and is dropped is a finding that names it', async () => {
  const all = await objects()
  expect(all.length).toBeGreaterThan(80)
  const unnamed: string[] = []
  for (const { name, sql } of all) {
    const found = await findings(sql)
    const [word = ''] = /^\w+/.exec(name) ?? []
    const isKey = word.endsWith('_pkey') && found.some((message) => message.includes('primary key'))
    if (!isKey && !found.some((message) => message.includes(word))) unnamed.push(name)
  }
  expect(unnamed).toEqual([])
})

describe('a CHECK that only looks like ours', () => {
  test.each([
    ['secret_audit', 'secret_audit_not_ahead', 'true'],
    ['secret_audit', 'secret_audit_sizes', `credential <> ''`],
    ['secret_audit_block', 'secret_audit_block_sizes', 'row_count >= 0'],
  ])('on %s: %s', async (table, name, check) => {
    const sql = `alter table noetl.${table} drop constraint ${name};
      alter table noetl.${table} add constraint ${name} check (${check})`
    expect(await findings(sql)).toContainEqual(expect.stringContaining(name))
  })
})

describe('verify', () => {
  test.each([
    ['secret_audit', 'secret_audit_not_ahead'],
    ['secret_audit', 'secret_audit_sizes'],
    ['secret_audit_block', 'secret_audit_block_sizes'],
  ])('says that %s lacks %s', async (table, name) => {
    const altered = await migratedDatabase()
    try {
      const other = await connect(altered.url)
      await other.query(`alter table noetl.${table} drop constraint ${name}`)
      await other.end()
      const { found } = await verifiedTrail(altered.url)
      expect(found).toHaveLength(1)
      expect(JSON.stringify(found)).toContain('store-altered')
    } finally {
      await altered.drop()
    }
  })
})
