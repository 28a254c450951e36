import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SCHEMA_VERSION } from '../../../src/postgres/schema-version.js'
import { migrate } from '../../../src/postgres/migrate/migrate.js'
import { ensurePartitions, listPartitions } from '../../../src/postgres/partitions.js'
import { connect, emptyDatabase, type TestDatabase } from '../../support/database.js'
import { idAt, ORIGINAL_INSERT, ORIGINAL_START_UP, originalValues } from './original-table.js'

const ROWS = 2_000_000

let database: TestDatabase
let client: pg.Client

beforeEach(async () => {
  database = await emptyDatabase()
  client = await connect(database.url)
  await client.query('create schema noetl')
})

afterEach(async () => {
  await client.end()
  await database.drop()
})

async function originalTable(rows: number): Promise<void> {
  await client.query(`set maintenance_work_mem = '256MB'`)
  const [table = '', ...indexes] = ORIGINAL_START_UP
  await client.query(table)
  await client.query(
    `insert into noetl.secret_audit
     select (((extract(epoch from at) * 1000)::bigint - 1704067200000) << 22) | (n & 4095), at, 'credential-' || n % 500,
       'get_credential', case when n % 1000 = 0 then 'wrong_region' else 'ok' end, 'worker', case when n % 3 = 0 then n end,
       null, 'eu-1', null, 'kek-1', 'note ' || n
     from (select n, now() - ($1::int - n + 1) * interval '10 seconds' as at from generate_series(1, $1::int) n) made`,
    [rows],
  )
  for (const index of indexes) await client.query(index)
}

async function one<T>(sql: string, values: unknown[] = []): Promise<T> {
  const { rows } = await client.query({ text: sql, values, rowMode: 'array' })
  return (rows as unknown[][])[0]?.[0] as T
}

/** Inserts as the original does, one event at a time, until it is told to stop. */
class Original {
  readonly inserted: bigint[] = []
  readonly errors: unknown[] = []
  longestMs = 0
  readonly #connection: pg.Client
  readonly #machine: number
  #going = true
  #run: Promise<void> = Promise.resolve()

  private constructor(connection: pg.Client, machine: number) {
    this.#connection = connection
    this.#machine = machine
  }

  /** With a prepared statement, or by parsing each time. */
  static async start(url: string, machine: number, prepared: boolean): Promise<Original> {
    const original = new Original(await connect(url), machine)
    original.#run = original.#insertAll(prepared ? { name: 'insert_event' } : {})
    return original
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#run
    await this.#connection.end()
  }

  async #insertAll(statement: { name?: string }): Promise<void> {
    let n = 0
    while (this.#going) {
      const id = idAt(Date.now(), (this.#machine << 12) | (n++ & 4095))
      const started = performance.now()
      try {
        await this.#connection.query({
          ...statement,
          text: ORIGINAL_INSERT,
          values: originalValues(id, 'live'),
        })
        this.inserted.push(id)
      } catch (error) {
        this.errors.push(error)
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - started)
    }
  }
}

test('two million rows are adopted while the original inserts all the while: no row lost or moved, no insert fails', async ({
  annotate,
}) => {
  await originalTable(ROWS)
  const storage = `select pg_relation_filenode(c.oid) || ' ' || (
      select string_agg(pg_relation_filenode(indexrelid)::text, ' ' order by indexrelid) from pg_index
      where indrelid = c.oid and indexrelid <= $1::bigint::oid) from pg_class c where c.oid = $2::bigint::oid`
  const table = await one<string>(`select 'noetl.secret_audit'::regclass::oid::bigint`)
  const lastIndex = await one<string>(
    `select max(indexrelid::bigint) from pg_index where indrelid = $1::bigint::oid`,
    [table],
  )
  const before = await one<string>(storage, [lastIndex, table])
  const checksum = `select sum(hashtextextended(concat_ws('|', audit_id, occurred_at, credential, operation, outcome, worker_id,
    execution_id, parent_execution_id, server_region, broker_region, kek_version, notes), 0)) from noetl.secret_audit where credential <> 'live'`
  const contents = await one<string>(checksum)

  const originals = await Promise.all([
    Original.start(database.url, 1, true),
    Original.start(database.url, 2, true),
    Original.start(database.url, 3, false),
  ])
  const steps: string[] = []
  let started = performance.now()
  const report = await migrate({
    databaseUrl: database.url,
    roles: true,
    onProgress(line) {
      const now = performance.now()
      steps.push(`${Math.round(now - started)} ms, then: ${line}`)
      started = now
    },
  })
  const longest = Math.max(...originals.map(({ longestMs }) => longestMs))
  await annotate(`longest insert meanwhile: ${Math.round(longest)} ms\n${steps.join('\n')}`)
  const during = originals.map(({ inserted }) => inserted.length)
  await Promise.all(originals.map((original) => original.stop()))

  expect(report).toMatchObject({
    adopted: true,
    applied: Array.from({ length: SCHEMA_VERSION }, (_, i) => ({ number: i + 1 })),
  })
  expect(originals.flatMap(({ errors }) => errors)).toEqual([])
  for (const inserted of during) expect(inserted).toBeGreaterThan(100)

  const live = originals.flatMap(({ inserted }) => inserted)
  expect(await one('select count(*)::int from noetl.secret_audit')).toBe(ROWS + live.length)
  expect(await one(checksum)).toBe(contents)
  expect(
    await one(`select count(*)::int from unnest($1::bigint[]) id join noetl.secret_audit on audit_id = id`, [
      live,
    ]),
  ).toBe(live.length)

  // The old table is the first partition, where it was.
  expect(await one(`select $1::bigint::oid::regclass::text`, [table])).toBe('noetl.secret_audit_adopted')
  expect(await one<string>(storage, [lastIndex, table])).toBe(before)
  const [first, ...later] = await listPartitions(client, 'noetl')
  expect(first).toMatchObject({ name: 'secret_audit_adopted', fromId: undefined })
  expect(report.partitions[0]).toBe('secret_audit_adopted')
  expect(first?.toId).toBe(later[0]?.fromId)
  expect(
    await one(`select count(*)::int from pg_constraint where conname = 'secret_audit_adoption_bound'`),
  ).toBe(0)

  // Old and new rows through the trail; the old ones count as settled, whoever asks.
  const next = later[0]?.fromId ?? 0n
  // As on the day when the bound has come.
  await client.query('alter table noetl.secret_audit drop constraint secret_audit_not_ahead')
  await client.query(ORIGINAL_INSERT, originalValues(next, 'live'))
  expect(
    await one('select tableoid::regclass::text from noetl.secret_audit where audit_id = $1', [next]),
  ).toBe(`noetl.${later[0]?.name}`)
  expect(await one(`select count(*)::int from noetl.secret_audit where credential = 'credential-7'`)).toBe(
    ROWS / 500,
  )
  const { rows: xids } = await client.query(
    `select count(*) filter (where recorded_xid = 0)::int as before, count(*) filter (where recorded_xid = xmin::text::bigint)::int as after
     from noetl.secret_audit`,
  )
  expect(xids[0].before).toBeGreaterThanOrEqual(ROWS)
  expect(xids[0].after).toBeGreaterThan(0)
  expect(xids[0].before + xids[0].after).toBe(ROWS + live.length + 1)
})

test('every index of the trail has its match in the adopted table, so none was built under a lock', async () => {
  await originalTable(1000)
  const { sql = '' } = await migrate({ databaseUrl: database.url, dryRun: true })
  expect(sql.match(/create index concurrently \S+/g)).toEqual([
    'create index concurrently secret_audit_adopted_credential_time',
    'create index concurrently secret_audit_adopted_not_ok',
    'create index concurrently secret_audit_adopted_settled',
    'create index concurrently secret_audit_adopted_displaced',
  ])
  await migrate({ databaseUrl: database.url })
  const { rows } = await client.query(`
    select x.relname as name, i.indisvalid as valid, p.inhparent::regclass::text as parent
    from pg_index i join pg_class x on x.oid = i.indexrelid left join pg_inherits p on p.inhrelid = x.oid
    where i.indrelid = 'noetl.secret_audit_adopted'::regclass order by 1`)
  expect(rows).toEqual([
    {
      name: 'secret_audit_adopted_credential_time',
      valid: true,
      parent: 'noetl.secret_audit_credential_time',
    },
    { name: 'secret_audit_adopted_displaced', valid: true, parent: 'noetl.secret_audit_displaced' },
    { name: 'secret_audit_adopted_execution', valid: true, parent: 'noetl.secret_audit_execution' },
    { name: 'secret_audit_adopted_not_ok', valid: true, parent: 'noetl.secret_audit_not_ok' },
    { name: 'secret_audit_adopted_pkey', valid: true, parent: 'noetl.secret_audit_pkey' },
    { name: 'secret_audit_adopted_settled', valid: true, parent: 'noetl.secret_audit_settled' },
    { name: 'secret_audit_credential_time_original', valid: true, parent: null },
  ])
})

describe('the bound', () => {
  test.each([
    ['2026-11-24T03:00:00Z', '2026-12-01'],
    ['2026-11-29T23:59:59Z', '2026-12-01'],
    ['2026-11-30T00:00:00Z', '2026-12-01'],
    ['2026-11-30T00:00:01Z', '2027-01-01'],
  ])('at %s is %s: the first start of a month at least 24 h ahead', async (now, bound) => {
    await originalTable(0)
    const { sql = '' } = await migrate({ databaseUrl: database.url, dryRun: true, now: new Date(now) })
    expect(sql).toContain(`for values from (minvalue) to (${idAt(new Date(bound))});`)
  })

  test('is at least 24 h after the newest id, too', async () => {
    await originalTable(0)
    await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.parse('2026-11-30T01:00:00Z'))))
    const now = new Date('2026-11-29T10:00:00Z')
    const { sql = '' } = await migrate({ databaseUrl: database.url, dryRun: true, now })
    expect(sql).toContain(`to (${idAt(new Date('2027-01-01'))});`)
  })
})

describe('what the table had', () => {
  test('its owner, and who may read and insert, stay; what has no place on a trail goes', async () => {
    const app = `${database.name}_app`
    const auditor = `${database.name}_auditor`
    await client.query(
      `create role ${app}; create role ${auditor}; alter schema noetl owner to ${app}; set role ${app}; grant usage on schema noetl to ${auditor}`,
    )
    await originalTable(10)
    await client.query(
      `grant all on noetl.secret_audit to ${auditor}; grant select (credential) on noetl.secret_audit to public`,
    )
    await client.query('reset role')
    const lines: string[] = []
    await migrate({ databaseUrl: database.url, roles: true, onProgress: (line) => lines.push(line) })

    expect(lines.join('\n')).toMatch(
      new RegExp(`not carried over, the trail is append-only: .*DELETE of ${auditor}`),
    )
    expect(lines.join('\n')).toContain('SELECT of PUBLIC')
    expect(await one(`select has_any_column_privilege('public', 'noetl.secret_audit', 'select')`)).toBe(false)
    const { rows } = await client.query(`
      select array_agg(distinct pg_get_userbyid(c.relowner)::text) as owners,
        (select array_agg(distinct pg_get_userbyid(proowner)::text) from pg_proc where pronamespace = 'noetl'::regnamespace) as definers
      from pg_class c where c.relnamespace = 'noetl'::regnamespace`)
    expect(rows).toEqual([{ owners: [app], definers: [app] }])

    // The application that owns the table starts again, writes, and makes partitions.
    await client.query(`set role ${app}`)
    for (const statement of ORIGINAL_START_UP) await client.query(statement)
    await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now(), 5)))
    const made = (await listPartitions(client, 'noetl')).slice(-2)
    for (const { name } of made) await client.query(`drop table noetl.${name}`)
    expect(await ensurePartitions(client, 'noetl')).toEqual(made.map(({ name }) => name))
    await client.query(`set role ${auditor}`)
    expect(await one('select count(*)::int from noetl.secret_audit')).toBe(11)
    await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now(), 6)))
    await expect(client.query('delete from noetl.secret_audit')).rejects.toMatchObject({ code: '42501' })
    await expect(client.query('select 1 from noetl.secret_audit_adopted')).rejects.toMatchObject({
      code: '42501',
    })
    await client.query(`reset role; drop owned by ${app}, ${auditor} cascade; drop role ${app}, ${auditor}`)
  })

  test('the adopted rows are as append-only as any', async () => {
    await originalTable(10)
    await migrate({ databaseUrl: database.url })
    for (const sql of [
      `update noetl.secret_audit set notes = ''`,
      'delete from noetl.secret_audit_adopted',
      'truncate noetl.secret_audit_adopted',
    ]) {
      await expect(client.query(sql)).rejects.toThrow('the audit trail is append-only')
    }
    expect(await one('select count(*)::int from noetl.secret_audit')).toBe(10)
  })
})

test('an empty table is adopted, and the original starts up on it again', async () => {
  await originalTable(0)
  expect(await migrate({ databaseUrl: database.url })).toMatchObject({ adopted: true })
  for (const statement of ORIGINAL_START_UP) await client.query(statement)
  await client.query(ORIGINAL_INSERT, originalValues(idAt(Date.now())))
  expect(await migrate({ databaseUrl: database.url })).toMatchObject({ adopted: false, applied: [] })
})

test('eight processes that start at once adopt the table once', async () => {
  await originalTable(1000)
  const runs = Array.from({ length: 8 }, () => migrate({ databaseUrl: database.url, roles: true }))
  const reports = await Promise.all(runs)
  expect(reports.filter(({ adopted }) => adopted)).toHaveLength(1)
  expect(await one('select count(*)::int from noetl.secret_audit')).toBe(1000)
})

test('the SQL of a dry run, run by hand, adopts the table', async () => {
  await originalTable(10)
  const { sql = '', adopted } = await migrate({ databaseUrl: database.url, dryRun: true })
  expect(adopted).toBe(true)
  // As psql sends it: outside of begin … commit every statement by itself.
  for (const part of sql.split(/^(?=-- adopt|-- migration|-- make)/m)) await client.query(part)
  expect(await migrate({ databaseUrl: database.url })).toMatchObject({ applied: [], partitions: [] })
  expect(await one('select count(*)::int from noetl.secret_audit')).toBe(10)
})
