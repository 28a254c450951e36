import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAudit } from '../../src/index.js'
import { PostgresAuditSink, type PostgresAuditSinkOptions } from '../../src/postgres/write/sink.js'
import { allowLines } from '../support/allow-lines.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'
import { TrailServer } from '../support/trail-server.js'

let trails: TrailServer
let url: string
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>
const sinks: PostgresAuditSink[] = []

beforeAll(async () => {
  // So that a commit that was not waited for is really lost in a crash.
  const settings = { wal_writer_delay: '10s', bgwriter_delay: '10s', checkpoint_timeout: '1h' }
  trails = await TrailServer.start({ settings })
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  owner = await connect(url)
  writer = await writerLogin(url)
})

afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  await owner.end().catch(() => {})
})

function aSink(options: Partial<PostgresAuditSinkOptions> = {}): PostgresAuditSink {
  const sink = new PostgresAuditSink({ databaseUrl: writer.url, ...options })
  sinks.push(sink)
  return sink
}

const stored = async (): Promise<string[]> =>
  (
    await owner.query<{ id: string }>('select audit_id::text as id from noetl.secret_audit order by 1')
  ).rows.map(({ id }) => id)

const PARTITIONS = (what: string): string => `do $$ declare p text; begin
  for p in select partition from noetl.secret_audit_partitions() loop
    execute format('alter table noetl.%I ${what}', p); end loop; end $$`

/** By name: what makes it so, and undoes it. */
const ALTERED: readonly (readonly [what: string, sql: string, undo: string])[] = [
  ['the partitions unlogged', PARTITIONS('set unlogged'), PARTITIONS('set logged')],
  [
    'the blocks unlogged',
    'alter table noetl.secret_audit_block set unlogged',
    'alter table noetl.secret_audit_block set logged',
  ],
  [
    'a rule that stores rows elsewhere, and answers as if nothing had happened',
    `create table public.elsewhere (like noetl.secret_audit_block);
     grant insert, select on public.elsewhere to public;
     create rule r as on insert to noetl.secret_audit_block do instead
       insert into public.elsewhere select new.* returning elsewhere.*`,
    'drop rule r on noetl.secret_audit_block',
  ],
  [
    'an index on an expression that lowers synchronous_commit',
    `create function public.low(text) returns text language plpgsql immutable as $$ begin
       perform set_config('synchronous_commit', 'off', true); return $1; end $$;
     create index low on noetl.secret_audit (public.low(credential))`,
    'drop index noetl.low',
  ],
  [
    'a trigger that rewrites rows',
    `create function public.own() returns trigger language plpgsql as
       $$ begin new.credential := 'innocent'; return new; end $$;
     create trigger aaa before insert on noetl.secret_audit for each row execute function public.own()`,
    'drop trigger aaa on noetl.secret_audit',
  ],
  [
    'row security on a table',
    `alter table noetl.secret_audit_block enable row level security;
     create policy p on noetl.secret_audit_block using (true) with check (true)`,
    'alter table noetl.secret_audit_block disable row level security',
  ],
  [
    'a domain in the type that rows are sent as, which runs code',
    `create function public.low(text) returns boolean language plpgsql as $$ begin
       perform set_config('synchronous_commit', 'off', true); return true; end $$;
     create domain public.note as text check (public.low(value));
     alter type noetl.secret_audit_row_v1 alter attribute notes type public.note`,
    'alter type noetl.secret_audit_row_v1 alter attribute notes type text',
  ],
  [
    'another attribute in the type that rows are sent as',
    'alter type noetl.secret_audit_row_v1 add attribute more text',
    'alter type noetl.secret_audit_row_v1 drop attribute more',
  ],
  [
    'a default that runs code',
    `create function public.now_off() returns timestamptz language sql as
       $$ select clock_timestamp() from (select set_config('synchronous_commit', 'off', true)) x $$;
     alter table noetl.secret_audit_block alter column recorded_at set default public.now_off()`,
    'alter table noetl.secret_audit_block alter column recorded_at set default clock_timestamp()',
  ],
]

describe('a store that is altered', () => {
  test.each(ALTERED)('%s: before the start', async (_, sql) => {
    await owner.query(sql)
    const sink = aSink()
    expect(await sink.check()).toContainEqual(expect.objectContaining({ level: 'error', check: 'store' }))
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed', lasting: true })
    const audit = createAudit({ databaseUrl: writer.url, serviceName: 's', strict: true })
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
    await audit.close()
    expect(await stored()).toEqual([])
  })

  test.each(ALTERED)('%s: while it writes, and mended again', async (_, sql, undo) => {
    const sink = aSink()
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    const before = await stored()
    await owner.query(sql)
    for (const size of [1, 2]) {
      const batch = batchOf(...Array.from({ length: size }, () => anEvent()))
      expect(await sink.write(batch)).toMatchObject({ status: 'failed', lasting: true })
    }
    expect(await stored()).toEqual(before)
    await owner.query(undo)
    await expect
      .poll(async () => (await sink.write(batchOf(anEvent()))).status, { timeout: 60_000 })
      .toBe('committed')
  })

  test.each([
    ['an index', 'create index own on noetl.secret_audit (actor_id)'],
    ['a grant', 'grant select on noetl.secret_audit to public'],
    [
      'a partition for rows that had another',
      `do $$ declare last text := (select max(inhrelid::regclass::text) from pg_inherits
         where inhparent = 'noetl.secret_audit'::regclass);begin execute 'drop table ' || last;end $$; select noetl.secret_audit_ensure_partitions(12)`,
    ],
    ['statistics', 'analyze noetl.secret_audit; analyze noetl.secret_audit_block'],
    ['a vacuum', 'vacuum full noetl.secret_audit_block'],
  ])('harmlessly, by %s, is accepted on the way', async (_, sql) => {
    const sink = aSink()
    await sink.write(batchOf(anEvent()))
    for (const statement of sql.split('; ')) await owner.query(statement)
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    expect(await sink.check()).toEqual([])
  })
})

describe('rows that are not read back as they were sent', () => {
  // What the check of the store cannot see stands for itself: here the function that reads the rows back.
  test.each([
    ['nothing', `select ''::bytea, array[]::oid[]`],
    ['other bytes', `select sha256('x'), array(select tableoid from noetl.secret_audit limit 1)`],
    ['an error', `select (1 / (ids[1] - ids[1]))::text::bytea, array[]::oid[]`],
  ])(
    '%s: no batch is committed, not the second time either, and not by another connection',
    async (_, body) => {
      await owner.query(`
      drop function noetl.secret_audit_written(bigint[]);
      create function noetl.secret_audit_written(ids bigint[], out bytes bytea, out partitions oid[])
        language sql set search_path = pg_catalog, pg_temp as $$ ${body} $$`)
      for (let connection = 0; connection < 2; connection++) {
        const sink = aSink()
        for (const size of [1, 1, 3]) {
          const batch = batchOf(...Array.from({ length: size }, () => anEvent()))
          expect((await sink.write(batch)).status).not.toBe('committed')
        }
      }
      expect(await stored()).toEqual([])
    },
  )
})

/** Each changes what is stored, of what was sent. */
const REWRITES: readonly (readonly [what: string, table: string, body: string])[] = [
  ['a column', 'secret_audit', `new.credential := 'innocent'; return new;`],
  [
    'a column and its digest',
    'secret_audit',
    `new.outcome := 'ok'; new.event_digest := sha256('x'); return new;`,
  ],
  ['an unknown value', 'secret_audit', `new.actor_id := 'bob'; return new;`],
  [
    'blanks in the attributes',
    'secret_audit',
    `new.attributes := (new.attributes::text || ' ')::json; return new;`,
  ],
  [
    'a microsecond',
    'secret_audit',
    `new.occurred_at := new.occurred_at + interval '1 microsecond'; return new;`,
  ],
  ['the place', 'secret_audit', `new.block_index := new.block_index + 1; return new;`],
  ['the transaction', 'secret_audit', `new.recorded_xid := 3; return new;`],
  ['the id', 'secret_audit', `new.audit_id := new.audit_id + 1; return new;`],
  ['the root of a block', 'secret_audit_block', `new.root := sha256('x'); return new;`],
  [
    'the signatures of a block',
    'secret_audit_block',
    `new.signatures := new.signatures || E'\\n'; return new;`,
  ],
]

describe('a trigger that is allowed', () => {
  async function allowing(sql: string): Promise<PostgresAuditSink> {
    await owner.query(sql)
    const allowInStore = await allowLines(aSink())
    expect(allowInStore).toHaveLength(1)
    const sink = aSink({ allowInStore: allowInStore.join(';') })
    expect(await sink.check()).toEqual([])
    return sink
  }

  test.each(REWRITES)('cannot rewrite %s', async (_, table, body) => {
    const sink = await allowing(`
      create function public.own() returns trigger language plpgsql as $$ begin ${body} end $$;
      create trigger own before insert on noetl.${table} for each row execute function public.own()`)
    for (const size of [1, 3]) {
      const batch = batchOf(
        ...Array.from({ length: size }, () => anEvent({ outcome: 'other', attributes: { a: 1 } })),
      )
      expect(await sink.write(batch)).toMatchObject({
        status: 'failed',
        fault: { code: 'AUDIT_UNAVAILABLE' },
      })
    }
    expect(await stored()).toEqual([])
  })

  test.each([
    ['before each row', 'trigger own before insert', 'for each row'],
    ['after each statement', 'trigger own after insert', 'for each statement'],
    ['deferred', 'constraint trigger own after insert', 'for each row'],
  ])('and lowers synchronous_commit, %s: what is committed survives a crash', async (how, what, each) => {
    const on = how === 'deferred' ? 'noetl.secret_audit deferrable initially deferred' : 'noetl.secret_audit'
    const sink = await allowing(`
      create function public.own() returns trigger language plpgsql as $$ begin
        perform set_config('synchronous_commit', 'off', true); return new; end $$;
      create ${what} on ${on} ${each} execute function public.own()`)
    for (let i = 0; i < 5; i++) {
      expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    }
    const before = await stored()
    expect(before).toHaveLength(5)
    await trails.server.kill()
    await trails.server.start()
    owner = await connect(url)
    expect(await stored()).toEqual(before)
  })
})

test('remote_apply is what a batch is committed with, where it is asked for', async () => {
  await owner.query(`
    create table public.seen (synchronous_commit text);
    create function public.look() returns trigger language plpgsql security definer as
      $$ begin insert into public.seen values (current_setting('synchronous_commit')); return new; end $$;
    create trigger look before insert on noetl.secret_audit for each row execute function public.look()`)
  const allowInStore = (await allowLines(aSink())).join(';')
  const letGo = await trails.holdCommits()
  const applicationName = 'otel-audit remote'
  const sink = aSink({
    synchronousCommit: 'remote_apply',
    allowInStore,
    applicationName,
    answerTimeoutMs: 60_000,
  })
  const writing = sink.write(batchOf(anEvent()))
  await trails.waiting(applicationName, 'SyncRep')
  await letGo()
  expect(await writing).toMatchObject({ status: 'committed' })
  expect((await owner.query('select * from public.seen')).rows).toEqual([
    { synchronous_commit: 'remote_apply' },
  ])
})

test('remote_apply without a standby is an error of the check, and nothing is committed so', async () => {
  const sink = aSink({ synchronousCommit: 'remote_apply' })
  expect(await sink.check()).toMatchObject([{ level: 'error', check: 'synchronous_standby_names' }])
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed', lasting: true })
})
