import * as fc from 'fast-check'
import type { Trail, TrailFilter, TrailRow } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { firstIdOf } from '../../src/event/snowflake.js'
import { Reader } from '../../src/postgres/read/pool.js'
import type { IdWindow } from '../../src/query/conditions.js'
import { backwards, FEW_PARTITIONS, forwards } from '../../src/query/windows.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { scan, trailAt } from './trail-at.js'

const DAY_MS = 86_400_000
/** Days that are over, each with a partition of its own, and those ahead. */
const DAYS = 120
const AHEAD = 14
const ROWS_A_DAY = 8
/** A table, its primary key and five other indexes. */
const LOCKS = 7

let database: TestDatabase
let client: Client
const today = Math.floor(Date.now() / DAY_MS) * DAY_MS
const at = (daysAgo: number): Date => new Date(today - daysAgo * DAY_MS)

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  await client.query(`do $$
    declare one text;
    begin
      for one in select partition from noetl.secret_audit_partitions() loop execute 'drop table noetl.' || one; end loop;
    end $$`)
  await client.query(
    `select noetl.secret_audit_create_partition('day', noetl.secret_audit_first_id(day), noetl.secret_audit_first_id(day + interval '1 day'))
     from generate_series($1::timestamp, $2::timestamp, interval '1 day') day`,
    [at(DAYS).toISOString(), at(-AHEAD).toISOString()],
  )
  await client.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, execution_id)
     select (((extract(epoch from t) * 1000)::bigint - 1704067200000) << 22) | n, t,
       case when n <= 3 then 'long-ago' else 'credential-' || n % 40 end, 'get_credential',
       case when n % 100 = 0 then 'no_pubkey' else 'ok' end, n / 10
     from (select n, to_timestamp($1) - ($2::int - n) * interval '1 day' / $3::int as t from generate_series(1, $2::int) n) made`,
    [today / 1000, DAYS * ROWS_A_DAY - 1, ROWS_A_DAY],
  )
  // Late events: ids of days that are near, and times of days that are not.
  await client.query(
    `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome)
     select audit_id + 1, occurred_at - interval '60 days', 'late', 'get_credential', 'ok'
     from noetl.secret_audit where execution_id between 60 and 64`,
  )
  await client.query('analyze noetl.secret_audit')
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

interface Sent {
  readonly text: string
  readonly values: readonly unknown[]
}

/** The statements on the trail that are sent meanwhile. */
async function sent(work: () => Promise<unknown>): Promise<readonly Sent[]> {
  const query = vi.spyOn(Reader.prototype, 'query')
  await work()
  const calls = query.mock.calls.map(([text, values = []]) => ({ text, values }))
  query.mockRestore()
  return calls.filter(({ text }) => text.includes('secret_audit'))
}

/** How many relations of the trail a statement locks. */
async function locksOf({ text, values }: Sent): Promise<number> {
  await client.query('begin')
  try {
    await client.query(text, [...values])
    const { rows } = await client.query<{ locked: number }>(
      `select count(distinct l.relation)::int as locked from pg_locks l join pg_class c on c.oid = l.relation
       where l.pid = pg_backend_pid() and c.relname like 'secret\\_audit%'`,
    )
    return rows[0]?.locked ?? 0
  } finally {
    await client.query('rollback')
  }
}

describe('the newest page', () => {
  test('locks the partitions of the last days and those ahead, and none of the hundred before', async () => {
    // Those of one day have 8 rows: a page of them ends in the first window.
    const statements = await sent(() => trailAt(database).search({ limit: 5 }))
    expect(statements).toHaveLength(1)
    for (const one of statements) expect(await locksOf(one)).toBeLessThanOrEqual((1 + 2 + AHEAD) * LOCKS)
  })

  test('of fifty rows goes back as far as it has to', async () => {
    const statements = await sent(() => trailAt(database).search({ limit: 50 }))
    expect(statements).toHaveLength(2)
    const locks = []
    for (const one of statements) locks.push(await locksOf(one))
    expect(locks[1]).toBeLessThanOrEqual((1 + 8) * LOCKS)
  })

  test.each<[string, TrailFilter]>([
    ['an outcome', { outcome: 'not-ok' }],
    ['a credential since then', { credential: 'credential-7', from: at(100) }],
    ['all but one credential', { credential: '!late' }],
  ])('by %s stops where it is full', async (_, filter) => {
    const statements = await sent(() => trailAt(database).search({ limit: 1, ...filter }))
    expect(statements.length).toBeLessThanOrEqual(3)
    for (const one of statements) expect(await locksOf(one)).toBeLessThanOrEqual((1 + 32 + AHEAD) * LOCKS)
  })

  test('by what was last seen long ago is found by its index in one statement, as is what is not there', async () => {
    for (const credential of ['long-ago', 'nothing'])
      expect(await sent(() => trailAt(database).search({ credential }))).toHaveLength(1)
  })

  test('deep in a scan locks no partition that is newer', async () => {
    const trail = trailAt(database)
    const { next_cursor } = await trail.search({ limit: 700 })
    const [first] = await sent(() => trail.search({ limit: 10, cursor: next_cursor ?? '' }))
    expect(first && (await locksOf(first))).toBeLessThanOrEqual((1 + 3) * LOCKS)
  })
})

describe('a window of time', () => {
  const days = (first: number, last: number): TrailFilter => ({ from: at(first), to: at(last) })

  test.each<[string, (trail: Trail) => Promise<unknown>]>([
    [
      'a page that ends before it is full',
      (trail) => trail.search({ ...days(90, 88), credential: 'credential-7' }),
    ],
    ['a histogram', (trail) => trail.histogram(days(90, 88))],
    ['a summary', (trail) => trail.summary(days(90, 88))],
    ['what was accessed first', (trail) => trail.find('first', days(90, 88))],
    ['coverage', (trail) => trail.coverage({}, { at: at(88) })],
  ])('%s locks its partitions, and those that have displaced rows', async (_, read) => {
    const statements = await sent(() => read(trailAt(database)))
    expect(statements.length).toBeGreaterThan(0)
    expect(statements.length).toBeLessThanOrEqual(2)
    const { rows } = await client.query<{ days: number }>(
      `select count(distinct tableoid)::int as days from noetl.secret_audit where credential = 'late'`,
    )
    // The window, an hour on both sides, and what processes said in the day before.
    const most = (1 + 4 + (rows[0]?.days ?? 0)) * LOCKS
    for (const one of statements) expect(await locksOf(one)).toBeLessThanOrEqual(most)
  })

  test('a row that is displaced is found in the next page, however late it came', async () => {
    const trail = trailAt(database)
    expect((await trail.search({ ...days(119, 118), credential: 'just-now' })).rows).toEqual([])
    await client.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome) values ($1, $2, 'just-now', 'get_credential', 'ok')`,
      [firstIdOf(today - 20 * DAY_MS) + 77n, at(118.5)],
    )
    expect((await trail.search({ ...days(119, 118), credential: 'just-now' })).rows).toHaveLength(1)
    expect((await trail.summary({ ...days(119, 118), credential: 'just-now' })).groups).toHaveLength(1)
  })
})

interface Known {
  readonly audit_id: string
  readonly credential: string
  readonly outcome: string
  readonly execution: string | null
  readonly ms: number
}

test.each<[string, TrailFilter, (row: Known) => boolean]>([
  ['nothing', {}, () => true],
  ['a credential', { credential: 'credential-7' }, ({ credential }) => credential === 'credential-7'],
  [
    'how it begins',
    { credential: 'credential-3*' },
    ({ credential }) => credential.startsWith('credential-3'),
  ],
  [
    'several credentials',
    { credential: 'long-ago,late,credential-1' },
    ({ credential }) => ['long-ago', 'late', 'credential-1'].includes(credential),
  ],
  ['an execution', { execution_id: 5 }, ({ execution }) => execution === '5'],
  ['an outcome', { outcome: 'no_pubkey' }, ({ outcome }) => outcome === 'no_pubkey'],
  ['what is not there', { credential: 'nothing' }, () => false],
  ['a window', { from: at(100), to: at(50) }, ({ ms }) => ms >= at(100).getTime() && ms < at(50).getTime()],
  ['a beginning', { from: at(80) }, ({ ms }) => ms >= at(80).getTime()],
  ['an end', { to: at(40) }, ({ ms }) => ms < at(40).getTime()],
  [
    'late events of a window',
    { credential: 'late', to: at(90) },
    ({ credential, ms }) => credential === 'late' && ms < at(90).getTime(),
  ],
  [
    'a settled set',
    { settled: true, credential: 'credential-1*' },
    ({ credential }) => credential.startsWith('credential-1'),
  ],
])(
  'a scan by %s has every row once, the newest first, whatever the size of a page',
  async (_, filter, isAsked) => {
    const { rows } = await client.query<Known>(
      `select audit_id::text, credential, outcome, execution_id::text as execution, extract(epoch from occurred_at)::float8 * 1000 as ms
     from noetl.secret_audit order by audit_id desc`,
    )
    const expected = rows.filter(isAsked).map(({ audit_id }) => audit_id)
    const trail = trailAt(database)
    for (const limit of [7, 60, 5000]) {
      const found: readonly TrailRow[] = await scan(trail, { ...filter, limit })
      expect(found.map(({ audit_id }) => audit_id)).toEqual(expected)
    }
    const streamed: string[] = []
    for await (const page of trail.pages(filter)) streamed.push(...page.rows.map(({ audit_id }) => audit_id))
    expect(streamed).toEqual(expected)
  },
)

test('of rows that come while a page is read none is there twice, and none that was there is missed', async () => {
  const insert = (daysAgo: number, lower: bigint): Promise<unknown> =>
    client.query(
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values ($1, 'meanwhile', 'get_credential', 'ok')`,
      [firstIdOf(today - daysAgo * DAY_MS) + lower],
    )
  for (const daysAgo of [110, 70, 30, 5, 1]) await insert(daysAgo, 500_000n)
  const before = await scan(trailAt(database), { credential: 'mean*', limit: 2 })
  expect(before).toHaveLength(5)
  const query = Reader.prototype.query
  let lower = 500_001n
  const spy = vi.spyOn(Reader.prototype, 'query').mockImplementation(async function (
    this: Reader,
    text,
    values,
  ) {
    const rows = await query.call(this, text, values)
    if (text.includes('secret_audit')) for (const daysAgo of [110, 70, 30, 5, 1]) await insert(daysAgo, lower)
    lower++
    return rows
  })
  const found = await scan(trailAt(database), { credential: 'mean*', limit: 2 }).finally(() =>
    spy.mockRestore(),
  )
  const ids = found.map(({ audit_id }) => BigInt(audit_id))
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? 1 : -1)))
  expect(new Set(ids).size).toBe(ids.length)
  expect(found).toEqual(expect.arrayContaining(before))
})

test('a partition that came after the others were listed is read, at whichever end it is', async () => {
  const trail = trailAt(database)
  await trail.search({ limit: 1 })
  const ids: bigint[] = []
  for (const day of [-DAYS - 1, AHEAD + 1]) {
    const [first, end] = [firstIdOf(today + day * DAY_MS), firstIdOf(today + (day + 1) * DAY_MS)]
    await client.query(`select noetl.secret_audit_create_partition('day', $1, $2)`, [first, end])
    ids.push(first)
  }
  await client.query('alter table noetl.secret_audit drop constraint secret_audit_not_ahead')
  for (const id of ids) {
    await client.query(
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values ($1, 'unlisted', 'get_credential', 'ok')`,
      [id],
    )
  }
  const found = await scan(trail, { credential: 'unlisted', limit: 1 })
  expect(found.map(({ audit_id }) => BigInt(audit_id))).toEqual(ids.toReversed())
})

test('what settles between two marks comes once, in ascending order, a few partitions at a time', async () => {
  const trail = trailAt(database)
  const statements = await sent(async () => {
    const found: bigint[] = []
    for await (const rows of trail.added({ credential: 'credential-*' }, 0n, await trail.mark()))
      found.push(...rows.map(({ audit_id }) => BigInt(audit_id)))
    const { rows } = await client.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit where credential like 'credential-%' order by audit_id`,
    )
    expect(found).toEqual(rows.map(({ id }) => BigInt(id)))
  })
  for (const one of statements.filter(({ text }) => text.includes('materialized')))
    expect(await locksOf(one)).toBeLessThanOrEqual((1 + 32) * LOCKS)
})

describe('windows', () => {
  const bounds = fc
    .uniqueArray(fc.bigInt({ min: -50n, max: 1000n }), { maxLength: 200 })
    .map((all) => all.toSorted((a, b) => (a < b ? -1 : 1)))
  const has = ({ atLeast, below }: IdWindow, id: bigint): boolean =>
    (atLeast === undefined || id >= atLeast) && (below === undefined || id < below)

  test('have every id once, in order, and there are few', () => {
    fc.assert(
      fc.property(
        bounds,
        fc.bigInt({ min: -60n, max: 1100n }),
        fc.bigInt(-100n, 1200n),
        (list, newest, id) => {
          for (const windows of [backwards(list, newest), forwards(list).toReversed()]) {
            expect(windows.filter((window) => has(window, id))).toHaveLength(1)
            expect(windows.map(({ atLeast }) => atLeast).slice(0, -1)).toEqual(
              windows.map(({ below }) => below).slice(1),
            )
            expect(windows.at(-1)?.atLeast).toBeUndefined()
            expect(windows[0]?.below).toBeUndefined()
          }
          expect(backwards(list, newest).length).toBeLessThanOrEqual(4)
        },
      ),
    )
  })

  test('of few partitions are one', () => {
    const few = Array.from({ length: FEW_PARTITIONS }, (_, i) => BigInt(i))
    expect(backwards(few, 20n)).toEqual([{}])
    expect(forwards(few)).toEqual([{}])
    expect(backwards([...few, 100n], 20n)[0]).toEqual({ atLeast: 19n, below: undefined })
  })
})
