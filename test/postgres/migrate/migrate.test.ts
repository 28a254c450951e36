import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AuditError } from '../../../src/errors.js'
import { type MigrateReport, migrate } from '../../../src/postgres/migrate/migrate.js'
import { loadMigrations } from '../../../src/postgres/migrate/migration-files.js'
import { lockMigrations } from '../../../src/postgres/migrate/migration-lock.js'
import { SCHEMA_VERSION } from '../../../src/postgres/schema-version.js'
import { connect, emptyDatabase, type TestDatabase } from '../../support/database.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from '../adopt/original-table.js'

/** Of all migrations. */
const ALL_NUMBERS = Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1)

let database: TestDatabase
let client: pg.Client

beforeEach(async () => {
  database = await emptyDatabase()
  client = await connect(database.url)
})

afterEach(async () => {
  await client.end()
  await database.drop()
})

async function column<T>(sql: string, values: unknown[] = []): Promise<T[]> {
  const { rows } = await client.query({ text: sql, values, rowMode: 'array' })
  return rows.map((row: unknown[]) => row[0] as T)
}

/** Everything the migration makes, as text: objects, columns, indexes, triggers, functions, privileges, the record. */
async function fingerprint(schema = 'noetl'): Promise<string> {
  const parts = await column<string>(
    `select format('%s %s %s %s', c.relkind, c.relname, c.relacl, coalesce(pg_get_expr(c.relpartbound, c.oid), ''))
       from pg_class c where c.relnamespace = to_regnamespace($1)
     union all
     select format('column %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
       from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
       where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and a.attnum > 0
     union all select indexdef from pg_indexes where schemaname = $1
     union all select format('%s %s', pg_get_triggerdef(t.oid), t.tgenabled) from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace = to_regnamespace($1)
     union all select format('%s %s', p.oid::regprocedure, p.proacl) from pg_proc p where p.pronamespace = to_regnamespace($1)
     order by 1`,
    [schema],
  )
  const record =
    (
      await column<string | null>('select to_regclass($1)::text', [`"${schema}".secret_audit_migration`])
    )[0] === null
      ? []
      : await column<string>(
          `select format('%s %s %s %s %s', number, name, checksum, breaking, product_version) from "${schema}".secret_audit_migration order by 1`,
        )
  return [...parts, ...record].join('\n')
}

describe('an empty database', () => {
  test('gets the table of the design, column by column', async () => {
    const report = await migrate({ databaseUrl: database.url })
    expect(report.applied.map(({ number }) => number)).toEqual(ALL_NUMBERS)
    expect(report).toMatchObject({ schema: 'noetl', adopted: false, roles: [] })
    expect(report.partitions).toHaveLength(14)

    const { rows } = await client.query({
      text: `select column_name, data_type, is_nullable = 'NO', column_default from information_schema.columns
             where table_schema = 'noetl' and table_name = 'secret_audit' order by ordinal_position`,
      rowMode: 'array',
    })
    const nullable = (name: string, type: string): unknown[] => [name, type, false, null]
    expect(rows).toEqual([
      ['audit_id', 'bigint', true, null],
      ['occurred_at', 'timestamp with time zone', true, 'now()'],
      ['credential', 'text', true, null],
      ['operation', 'text', true, null],
      ['outcome', 'text', true, null],
      nullable('worker_id', 'text'),
      nullable('execution_id', 'bigint'),
      nullable('parent_execution_id', 'bigint'),
      nullable('server_region', 'text'),
      nullable('broker_region', 'text'),
      nullable('kek_version', 'text'),
      nullable('notes', 'text'),
      ['recorded_at', 'timestamp with time zone', true, 'clock_timestamp()'],
      ['recorded_xid', 'bigint', true, '((pg_current_xact_id())::text)::bigint'],
      nullable('actor_id', 'text'),
      nullable('actor_type', 'text'),
      nullable('source_address', 'text'),
      nullable('service_name', 'text'),
      nullable('service_instance_id', 'text'),
      nullable('trace_id', 'text'),
      nullable('span_id', 'text'),
      nullable('attributes', 'json'),
      nullable('original_audit_id', 'bigint'),
      nullable('event_digest', 'bytea'),
      nullable('chain_id', 'uuid'),
      nullable('block_no', 'bigint'),
      nullable('block_index', 'integer'),
    ])
    expect(
      await column(`select regexp_replace(indexdef, '^.* USING ', '') from pg_indexes
        where schemaname = 'noetl' and tablename = 'secret_audit' order by indexname`),
    ).toEqual([
      'btree (credential text_pattern_ops, audit_id DESC)',
      'btree (occurred_at) WHERE ((occurred_at < to_timestamp(((((audit_id >> 22))::double precision / (1000)::double precision) + (1704063600)::double precision))) OR (occurred_at > to_timestamp(((((audit_id >> 22))::double precision / (1000)::double precision) + (1704070800)::double precision))))',
      'btree (execution_id) WHERE (execution_id IS NOT NULL)',
      "btree (outcome, audit_id DESC) WHERE (outcome <> 'ok'::text)",
      'btree (audit_id)',
      'brin (recorded_xid)',
    ])
    expect(
      await column(`select format('%s %s %s %s', column_name, data_type, is_nullable, column_default)
        from information_schema.columns where table_schema = 'noetl' and table_name = 'secret_audit_block'
        order by ordinal_position`),
    ).toEqual([
      'chain_id uuid NO ',
      'block_no bigint NO ',
      'log text NO ',
      'kind text NO ',
      'prev_hash bytea NO ',
      'min_id bigint YES ',
      'max_id bigint YES ',
      'root bytea NO ',
      'row_count integer NO ',
      'row_total bigint NO ',
      'lost_total bigint NO ',
      'block_time bigint NO ',
      'body text NO ',
      'signatures text NO ',
      'recorded_at timestamp with time zone NO clock_timestamp()',
    ])
    expect(await column(`select indexdef from pg_indexes where tablename = 'secret_audit_block'`)).toEqual([
      'CREATE UNIQUE INDEX secret_audit_block_pkey ON noetl.secret_audit_block USING btree (chain_id, block_no)',
      'CREATE INDEX secret_audit_block_ids ON noetl.secret_audit_block USING brin (min_id)',
      `CREATE INDEX secret_audit_block_keys ON noetl.secret_audit_block USING btree (chain_id, block_no) WHERE (kind = ANY (ARRAY['genesis'::text, 'rotate'::text]))`,
    ])
    expect(await column(`select pg_get_partkeydef('noetl.secret_audit'::regclass)`)).toEqual([
      'RANGE (audit_id)',
    ])
  })

  test('twenty concurrent migrates all succeed, and one of them does the work', async () => {
    const reports = await Promise.all(
      Array.from({ length: 20 }, () => migrate({ databaseUrl: database.url, roles: true })),
    )
    expect(reports.filter(({ applied }) => applied.length === SCHEMA_VERSION)).toHaveLength(1)
    expect(reports.filter(({ applied }) => applied.length === 0)).toHaveLength(19)
    expect(reports.flatMap(({ partitions }) => partitions)).toHaveLength(14)
    expect(await column('select number from noetl.secret_audit_migration order by 1')).toEqual(ALL_NUMBERS)
  })

  test('a second migrate changes nothing', async () => {
    await migrate({ databaseUrl: database.url })
    const first = await fingerprint()
    const report = await migrate({ databaseUrl: database.url })
    expect(report).toMatchObject({ applied: [], adopted: false, partitions: [] })
    expect(await fingerprint()).toBe(first)
  })

  test('the schema may be named with a reserved word, and two schemas live side by side', async () => {
    await migrate({ databaseUrl: database.url, schema: 'order', roles: true })
    await migrate({ databaseUrl: database.url, schema: 'noetl' })
    const other = (await fingerprint('order')).replaceAll('"order"', 'noetl').replaceAll('order', 'noetl')
    expect(other.split('\n').length).toBeGreaterThan(200)
    expect(await column(`select count(*)::int from "order".secret_audit`)).toEqual([0])
    await client.query('drop schema "order" cascade')
    await client.query('drop owned by order_audit_writer, order_audit_reader')
    await client.query('drop role order_audit_writer, order_audit_reader')
  })

  test('a schema that the owner was given is used; no right on the database is needed', async () => {
    const owner = `${database.name}_owner`
    await client.query(
      `create role ${owner} login password 'canary-3f6a'; create schema noetl authorization ${owner}`,
    )
    const url = new URL(database.url)
    url.username = owner
    url.password = 'canary-3f6a'
    await migrate({ databaseUrl: url.href })
    const owners = await column(
      `select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'noetl'::regnamespace`,
    )
    expect(owners).toEqual([owner])
    await client.query(`drop owned by ${owner}; drop role ${owner}`)
  })
})

describe('the original', () => {
  beforeEach(async () => {
    await migrate({ databaseUrl: database.url })
  })

  test('its start-up DDL is a harmless no-op for the owner of our table', async () => {
    const before = await fingerprint()
    for (const statement of ORIGINAL_START_UP) await client.query(statement)
    expect(await fingerprint()).toBe(before)
  })

  test('its INSERT of twelve columns works, and what is beyond them is filled in', async () => {
    const id = idAt(Date.now(), 7)
    await client.query(ORIGINAL_INSERT, originalValues(id))
    const { rows } = await client.query(
      `select audit_id, credential, notes, chain_id, recorded_at > now() - interval '1 hour' as recorded,
         recorded_xid = xmin::text::bigint as "ownXid"
       from noetl.secret_audit`,
    )
    expect(rows).toEqual([
      {
        audit_id: id.toString(),
        credential: 'db-password',
        notes: 'read by the billing job',
        chain_id: null,
        recorded: true,
        ownXid: true,
      },
    ])
  })
})

/** As a migration holds it that has not made anything yet. */
async function holdLock(session: pg.Client): Promise<void> {
  await session.query(`create schema noetl; create table noetl.secret_audit_lock ()`)
  await session.query('begin; lock table noetl.secret_audit_lock in exclusive mode')
}

describe('dry run', () => {
  test('prints SQL and changes nothing; run by hand it does what migrate does', async () => {
    const { sql = '', applied } = await migrate({ databaseUrl: database.url, roles: true, dryRun: true })
    expect(applied).toHaveLength(SCHEMA_VERSION)
    expect(await column(`select to_regnamespace('noetl')`)).toEqual([null])

    await client.query(sql)
    const byHand = await fingerprint()
    expect(await migrate({ databaseUrl: database.url, roles: true })).toMatchObject({
      applied: [],
      partitions: [],
    })
    expect(await fingerprint()).toBe(byHand)

    const other = await emptyDatabase()
    await migrate({ databaseUrl: other.url, roles: true })
    const own = client
    client = await connect(other.url)
    expect(await fingerprint()).toBe(byHand)
    await client.end()
    client = own
    await other.drop()
  })

  test('does not wait for a migration that is in progress', async () => {
    await holdLock(client)
    const { sql } = await migrate({ databaseUrl: database.url, dryRun: true })
    expect(sql).toContain('create table "noetl".secret_audit (')
  })
})

describe('refused', () => {
  test('a database that a newer version has changed in a breaking way', async () => {
    await migrate({ databaseUrl: database.url })
    await client.query(
      `insert into noetl.secret_audit_migration values ($1, 'future', 'f00', false, now(), '9.0.0')`,
      [SCHEMA_VERSION + 1],
    )
    await expect(migrate({ databaseUrl: database.url })).resolves.toMatchObject({ applied: [] })
    await client.query('update noetl.secret_audit_migration set breaking = true where number > $1', [
      SCHEMA_VERSION,
    ])
    await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
      code: 'AUDIT_SCHEMA',
      message: expect.stringContaining(`migration ${SCHEMA_VERSION + 1}, marked as breaking`),
    })
  })

  test('a migration whose text is not the one that was applied', async () => {
    await migrate({ databaseUrl: database.url })
    await client.query(`update noetl.secret_audit_migration set checksum = repeat('0', 64) where number = 2`)
    await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
      code: 'AUDIT_MIGRATION',
      message: expect.stringContaining('migration 2 (trail)'),
    })
  })
})

describe('a migration that fails', () => {
  test('leaves nothing of the failed step, releases the lock, and is continued by the next one', async () => {
    // Something of somebody else's stands where the third migration wants to make its own.
    await client.query('create schema noetl')
    await client.query(
      'create function noetl.secret_audit_partitions() returns int language sql as $$ select 1 $$',
    )
    await expect(migrate({ databaseUrl: database.url })).rejects.toMatchObject({
      code: 'AUDIT_MIGRATION',
      message: expect.stringMatching(/^AUDIT_MIGRATION: migration 3: partitions: 42723 /),
    })
    expect(await column('select number from noetl.secret_audit_migration order by 1')).toEqual([1, 2])
    expect(await column(`select to_regproc('noetl.secret_audit_month_start_id')`)).toEqual([null])

    await client.query('drop function noetl.secret_audit_partitions()')
    const report = await migrate({ databaseUrl: database.url })
    expect(report.applied.map(({ number }) => number)).toEqual(ALL_NUMBERS.slice(2))
    expect(report.partitions).toHaveLength(14)
  })

  test.each([
    ['another has begun in between', true, 'closes'],
    ['nobody else has begun', false, 'AUDIT_MIGRATION'],
  ])('of which what was read may be half of before: %s', async (_, hasBegun, outcome) => {
    const target = { databaseUrl: database.url, applicationName: 'test', readOnly: false }
    const locked = lockMigrations(client, target, {
      schema: 'noetl',
      onProgress: () => {},
      mayBegin: async () => {
        if (hasBegun) await migrate({ databaseUrl: database.url })
        throw new AuditError('AUDIT_MIGRATION', 'it is a table that this product has not made')
      },
    })
    const code = locked.then(
      async (session) => {
        await session?.close()
        return 'closes'
      },
      (error: AuditError) => error.code,
    )
    expect(await code).toBe(outcome)
  })

  test('waits behind a migration in progress, and goes on when that connection is gone', async () => {
    const other = await connect(database.url)
    await holdLock(other)
    let run: Promise<MigrateReport> | undefined
    const line = await new Promise<string>((resolve) => {
      run = migrate({ databaseUrl: database.url, onProgress: resolve })
    })
    expect(line).toMatch(/^waiting for another migration of this schema \(pid \d+, unnamed, since \d+ s\)$/)
    expect(await column(`select to_regclass('noetl.secret_audit_migration')`)).toEqual([null])
    await other.end()
    expect((await run)?.applied).toHaveLength(SCHEMA_VERSION)
  })
})

test('SCHEMA_VERSION is the number of the newest file, and the files are numbered without a gap', async () => {
  const numbers = (await loadMigrations()).map(({ number }) => number)
  expect(numbers).toEqual(ALL_NUMBERS)
})
