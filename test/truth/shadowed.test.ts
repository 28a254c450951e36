import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { allowLines } from '../support/allow-lines.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { verifiedTrail } from '../support/verified.js'

// A trigger that is allowed runs in our transaction, and may change where names are looked up. What we ask behind it means what
// it says all the same.

let database: TestDatabase
let owner: Client
let sink: PostgresAuditSink

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  await owner.query('create schema evil')
})

afterEach(async () => {
  await sink.close()
  await owner.end()
  await database.drop()
})

/** Allows a trigger on the rows, or one that is deferred, that makes `evil` the first schema. */
async function evilFirst(isLocal: boolean, kind: string, more = ''): Promise<void> {
  await owner.query(`
    create function public.own() returns trigger language plpgsql as $$
    begin
      perform pg_catalog.set_config('search_path', 'evil, pg_catalog', ${isLocal});
      ${more}
      return new;
    end $$;
    create ${kind} for each row execute function public.own()`)
  const unallowed = new PostgresAuditSink({ databaseUrl: database.url })
  const lines = await allowLines(unallowed)
  await unallowed.close()
  expect(lines).toHaveLength(1)
  sink = new PostgresAuditSink({ databaseUrl: database.url, allowInStore: lines.join('\n') })
}

const KINDS = [
  ['before', 'trigger own before insert on noetl.secret_audit'],
  ['after', 'trigger own after insert on noetl.secret_audit'],
  ['deferred', 'constraint trigger own after insert on noetl.secret_audit deferrable initially deferred'],
  ['of the block', 'trigger own before insert on noetl.secret_audit_block'],
] as const

const FUNCTIONS = [
  'set_config(text, text, boolean) returns text',
  'record_send(record) returns bytea',
  'cardinality(anyarray) returns int',
  'hashint8extended(bigint, bigint) returns bigint',
  'clock_timestamp() returns timestamptz',
  'extract(text, timestamptz) returns numeric',
  'date_part(text, timestamptz) returns float8',
  'octet_length(bytea) returns int',
  'octet_length(text) returns int',
  'sha256(bytea) returns bytea',
  'encode(bytea, text) returns text',
  'current_setting(text) returns text',
  'pg_is_in_recovery() returns boolean',
  'to_timestamp(float8) returns timestamptz',
  'gen_random_uuid() returns uuid',
]
const OPERATORS = ['bytea', 'text', 'bigint', 'int', 'oid', 'uuid', 'numeric', 'name', '"char"']

/** Everything that a statement of ours may name, as something that fails. */
async function shadows(): Promise<void> {
  for (const signature of FUNCTIONS) {
    await owner.query(
      `create function evil.${signature} language plpgsql as $$ begin raise exception 'evil ${signature}'; end $$`,
    )
  }
  await owner.query(`
    create function evil.step(bigint) returns bigint language plpgsql as $$ begin raise exception 'evil count'; end $$;
    create aggregate evil.count(*) (sfunc = evil.step, stype = bigint, initcond = '0');
    create function evil.step(bigint, bigint) returns bigint language plpgsql as $$ begin raise exception 'evil sum'; end $$;
    create aggregate evil.sum(bigint) (sfunc = evil.step, stype = bigint, initcond = '0');
    create type evil.text as enum ('evil'); create type evil.regclass as enum ('evil'); create type evil.oid as enum ('evil');
    create type evil.bytea as enum ('evil'); create type evil.uuid as enum ('evil')`)
  for (const type of OPERATORS) {
    const of =
      type === '"char"' || type === 'bigint' || type === 'int' || type === 'numeric'
        ? type
        : `pg_catalog.${type}`
    await owner.query(`
      create function evil.same(${of}, ${of}) returns boolean language plpgsql as $$ begin raise exception 'evil ='; end $$;
      create operator evil.= (leftarg = ${of}, rightarg = ${of}, function = evil.same)`)
  }
}

describe.each(KINDS)('an allowed trigger, %s, that puts another schema first', (_, kind) => {
  test.each([true, false])('and shadows what we name: nothing of it is used (local: %s)', async (isLocal) => {
    await shadows()
    await evilFirst(isLocal, kind)
    const event = anEvent()
    for (const batch of [batchOf(event), batchOf(anEvent(), anEvent()), batchOf(anEvent())]) {
      expect(await sink.write(batch)).toMatchObject({ status: 'committed' })
    }
    // Which asks what is stored.
    expect(await sink.write(batchOf(event))).toMatchObject({ status: 'conflict' })
    expect((await verifiedTrail(database.url)).found).toEqual([])
  })
})

describe('an allowed trigger that changes the row', () => {
  test.each([true, false])('and makes all bytes the same: that is seen (local: %s)', async (isLocal) => {
    await owner.query(`
      create function evil.same(bytea, bytea) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = bytea, rightarg = bytea, function = evil.same)`)
    await evilFirst(isLocal, KINDS[0][1], `new.notes = 'changed';`)
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed' })
    const { rowCount } = await owner.query('select from noetl.secret_audit')
    expect(rowCount).toBe(0)
  })

  test('and has a count of its own: that is seen, while nobody has allowed it', async () => {
    sink = new PostgresAuditSink({ databaseUrl: database.url })
    await sink.write(batchOf(anEvent()))
    await owner.query(`
      create function evil.same(bytea, bytea) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = bytea, rightarg = bytea, function = evil.same);
      create function evil.step(bigint) returns bigint language sql as 'select 3';
      create aggregate evil.count(*) (sfunc = evil.step, stype = bigint, initcond = '3');
      create function evil.same(bigint, int) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = bigint, rightarg = int, function = evil.same);
      create function evil.same(text, text) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = text, rightarg = text, function = evil.same);
      create function evil.same(oid, oid) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = oid, rightarg = oid, function = evil.same);
      create function evil.cardinality(anyarray) returns int language sql as 'select 3';
      create function evil.same(numeric, numeric) returns boolean language sql as 'select true';
      create operator evil.= (leftarg = numeric, rightarg = numeric, function = evil.same)`)
    await owner.query(`
      create function public.own() returns trigger language plpgsql as $$ begin
        perform pg_catalog.set_config('search_path', 'evil, pg_catalog', true); new.notes = 'changed'; return new; end $$;
      create trigger own before insert on noetl.secret_audit for each row execute function public.own()`)
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed' })
  })
})
