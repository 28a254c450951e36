import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { shapeSql } from '../../../src/postgres/store/shape.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'

// One number stands for what relations are like. Whatever may change what an INSERT does changes the number.

let database: TestDatabase
let owner: Client
let partition: string

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  const { rows } = await owner.query<{ partition: string }>(
    `select 'noetl.' || min(partition) as partition from noetl.secret_audit_partitions()`,
  )
  partition = rows[0]?.partition ?? ''
  await owner.query(`create function public.nothing() returns trigger language plpgsql as 'begin return new; end';
    create domain public.number as bigint;
    create trigger sleeping before insert on ${partition} for each row execute function public.nothing();
    alter table ${partition} disable trigger sleeping;
    create index spare on ${partition} (notes)`)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

const TABLES = ['noetl.secret_audit', 'noetl.secret_audit_block', 'noetl.secret_audit_row_v1']

async function shapeOf(...relations: string[]): Promise<bigint> {
  const { rows } = await owner.query<{ shape: string }>(
    `select ${shapeSql('any ($1::regclass[]::oid[])')}::text as shape`,
    [relations],
  )
  return BigInt(rows[0]?.shape ?? '')
}

beforeEach(async () => {
  await owner.query('begin')
})

const undo = (): Promise<unknown> => owner.query('rollback')

test('that of several is the sum of theirs', async () => {
  const all = [...TABLES, partition]
  const each: bigint[] = []
  for (const one of all) each.push(await shapeOf(one))
  expect(await shapeOf(...all)).toBe(each.reduce((sum, one) => sum + one, 0n))
  expect(new Set(each).size).toBe(all.length)
  await undo()
})

describe('is another one after', () => {
  test.each([
    'alter table PARTITION enable trigger sleeping',
    'alter table PARTITION enable always trigger sleeping',
    'alter table PARTITION enable trigger all',
    'drop trigger sleeping on PARTITION',
    'create trigger own after insert on PARTITION execute function public.nothing()',
    'create trigger own before insert on noetl.secret_audit_block for each row execute function public.nothing()',
    'create rule own as on insert to noetl.secret_audit_block do also nothing',
    'create index own on PARTITION (lower(notes))',
    'drop index noetl.spare',
    'create index own on noetl.secret_audit_block (log)',
    'create unique index own on PARTITION (audit_id, notes)',
    `alter table PARTITION alter notes set default 'x'`,
    'alter table noetl.secret_audit alter recorded_at set default now()',
    'alter table noetl.secret_audit_block alter recorded_at drop default',
    'alter table PARTITION set unlogged',
    'alter table PARTITION enable row level security',
    'alter table PARTITION add constraint own check (notes is null) not valid',
    'alter table noetl.secret_audit_block alter lost_total type public.number',
    'alter type noetl.secret_audit_row_v1 alter attribute execution_id type public.number',
    'alter type noetl.secret_audit_row_v1 add attribute more text',
    'alter table noetl.secret_audit detach partition PARTITION',
    'grant insert on noetl.secret_audit to public',
    'cluster PARTITION using spare',
  ])('%s', async (change) => {
    const all = [...TABLES, partition]
    const before = await shapeOf(...all)
    await owner.query(change.replace('PARTITION', partition))
    const after = await shapeOf(...all)
    await undo()
    expect(after).not.toBe(before)
    expect(await shapeOf(...all)).toBe(before)
  })
})

test('is no other after rows, statistics and comments', async () => {
  await undo()
  const all = [...TABLES, partition]
  const before = await shapeOf(...all)
  await owner.query(`insert into noetl.secret_audit_block
    select gen_random_uuid(), 1, 'l', 'data', '', null, null, '', 0, 0, 0, 0, '', '' from generate_series(1, 2000)`)
  for (const statement of [
    'analyze noetl.secret_audit_block',
    'vacuum (analyze) noetl.secret_audit_block',
    'vacuum freeze noetl.secret_audit_block',
    'vacuum freeze pg_catalog.pg_trigger',
    'vacuum freeze pg_catalog.pg_class',
    `comment on table ${partition} is 'of a month'`,
    'create statistics noetl.some on kind, log from noetl.secret_audit_block',
  ]) {
    await owner.query(statement)
  }
  expect(await shapeOf(...all)).toBe(before)
})
