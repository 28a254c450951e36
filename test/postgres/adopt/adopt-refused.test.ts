import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../../src/postgres/migrate/migrate.js'
import { connect, emptyDatabase, type TestDatabase } from '../../support/database.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from './original-table.js'

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await emptyDatabase()
  client = await connect(database.url)
})

beforeEach(async () => {
  await client.query('create schema noetl')
})

afterEach(async () => {
  await client.query('drop schema if exists noetl cascade; drop schema if exists elsewhere cascade')
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

/** Every object of the schema with its columns: what must not have changed. */
async function objects(): Promise<unknown> {
  const { rows } = await client.query(`
    select c.relkind, c.relname, a.attname, (select array_agg(conname::text order by conname) from pg_constraint where conrelid = c.oid) as constraints
    from pg_class c left join pg_attribute a on a.attrelid = c.oid where c.relnamespace = 'noetl'::regnamespace order by 1, 2, 3`)
  return rows
}

async function expectRefusal(...reasons: string[]): Promise<void> {
  const before = await objects()
  for (const dryRun of [true, false]) {
    const error = await migrate({ databaseUrl: database.url, dryRun }).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'AUDIT_MIGRATION' })
    for (const reason of reasons) expect((error as Error).message).toContain(reason)
  }
  expect(await objects()).toEqual(before)
}

describe('a relation that is no ordinary table', () => {
  test.each([
    ['a view', 'create view noetl.secret_audit as select 1 as audit_id'],
    ['a materialized view', 'create materialized view noetl.secret_audit as select 1 as audit_id'],
    [
      'a foreign table',
      `create foreign data wrapper w; create server s foreign data wrapper w;
       create foreign table noetl.secret_audit (audit_id bigint) server s`,
    ],
    [
      'a partitioned table that this product has not made',
      'create table noetl.secret_audit (audit_id bigint primary key) partition by range (audit_id)',
    ],
    ['a sequence', 'create sequence noetl.secret_audit'],
    ['a composite type', 'create type noetl.secret_audit as (audit_id bigint)'],
  ])('%s', async (kind, sql) => {
    await client.query(sql)
    await expectRefusal('the existing noetl.secret_audit cannot be adopted', `it is ${kind}`)
    await client.query('drop foreign data wrapper if exists w cascade')
  })
})

describe('a table that is not the original’s', () => {
  beforeEach(async () => {
    for (const statement of ORIGINAL_START_UP) await client.query(statement)
  })

  test.each([
    ['alter table noetl.secret_audit add column tenant text', 'column tenant is not known'],
    ['alter table noetl.secret_audit drop column kek_version', 'column kek_version is missing'],
    [
      'alter table noetl.secret_audit alter notes type varchar(100)',
      'column notes is character varying(100), not text',
    ],
    [
      'alter table noetl.secret_audit alter execution_id type int',
      'column execution_id is integer, not bigint',
    ],
    ['alter table noetl.secret_audit alter outcome drop not null', 'column outcome is nullable'],
    ['alter table noetl.secret_audit alter worker_id set not null', 'column worker_id is NOT NULL'],
    [
      'alter table noetl.secret_audit alter notes type text collate "C"',
      'column notes is an identity, generated, or',
    ],
    [`alter table noetl.secret_audit alter outcome set default 'ok'`, 'column outcome has a default'],
    ['alter table noetl.secret_audit add column recorded_at timestamptz', 'column recorded_xid is missing'],
    ['alter table noetl.secret_audit drop constraint secret_audit_pkey', 'its primary key is not (audit_id)'],
    ['alter table noetl.secret_audit set unlogged', 'it is unlogged'],
    ['alter table noetl.secret_audit enable row level security', 'row security is enabled'],
    [`alter table noetl.secret_audit add check (notes <> '')`, 'constraint secret_audit_notes_check'],
    ['alter table noetl.secret_audit add unique (execution_id)', 'constraint secret_audit_execution_id_key'],
    [
      'create view noetl.recent as select * from noetl.secret_audit',
      'view noetl.recent depends on it: drop that first',
    ],
    [
      'create table noetl.cases (audit_id bigint references noetl.secret_audit)',
      'constraint cases_audit_id_fkey on table noetl.cases',
    ],
    [
      `create function noetl.f() returns trigger language plpgsql as 'begin return null; end';
       create trigger t before insert on noetl.secret_audit for each row execute function noetl.f()`,
      'trigger t on table noetl.secret_audit',
    ],
    [
      'create rule r as on insert to noetl.secret_audit do also select 1',
      'rule r on table noetl.secret_audit',
    ],
    ['create table noetl.child () inherits (noetl.secret_audit)', 'table noetl.child depends on it'],
    [
      'create table noetl.parent (audit_id bigint not null); alter table noetl.secret_audit inherit noetl.parent',
      'it is a child of noetl.parent',
    ],
    ['create publication p for table noetl.secret_audit', 'publication'],
  ])('%s', async (sql, reason) => {
    await client.query(sql)
    await expectRefusal('the existing noetl.secret_audit cannot be adopted', reason)
    await client.query('drop publication if exists p')
  })

  test('with several reasons, all of which are told', async () => {
    await client.query('alter table noetl.secret_audit drop column notes, add column remarks text')
    await expectRefusal('column notes is missing; column remarks is not known')
  })

  test('with ids of another epoch, which are listed', async () => {
    const foreign = Array.from({ length: 12 }, (_, n) => (BigInt(Date.now() + n) << 22n) | 5n) // Since 1970.
    for (const id of [idAt(Date.now()), ...foreign]) await client.query(ORIGINAL_INSERT, originalValues(id))
    await expectRefusal(
      '12 of its ids are more than 24 h ahead of the clock',
      `${foreign.at(-1)}, ${foreign.at(-2)}`,
      ', …',
    )
  })

  test('an id some hours ahead of the clock is no reason to refuse', async () => {
    await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now() + 23 * 3600_000)))
    expect(await migrate({ databaseUrl: database.url })).toMatchObject({ adopted: true })
  })

  test('by anybody but its owner', async () => {
    const role = `${database.name}_other`
    await client.query(
      `create role ${role} login password 'canary-77b2'; grant usage, create on schema noetl to ${role}`,
    )
    const url = new URL(database.url)
    url.username = role
    url.password = 'canary-77b2'
    const before = await objects()
    const refused = migrate({ databaseUrl: url.href })
    await expect(refused).rejects.toMatchObject({
      code: 'AUDIT_MIGRATION',
      message: expect.stringContaining('noetl.secret_audit belongs to'),
    })
    expect(await objects()).toEqual(before)
    await client.query(`drop owned by ${role}; drop role ${role}`)
  })

  test('when its owner could not make the next partitions', async () => {
    const app = `${database.name}_app`
    await client.query(`create role ${app}; alter table noetl.secret_audit owner to ${app}`)
    await expectRefusal(`its owner ${app} has no CREATE privilege on the schema`)
    await client.query(`drop owned by ${app}; drop role ${app}`)
  })
})
