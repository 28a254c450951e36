import { setTimeout as pause } from 'node:timers/promises'
import { type TrailFilter, type TrailRow, rowJson } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { allSettled } from '../support/settled.js'
import { idAt } from '../postgres/adopt/original-table.js'
import { scan, trailAt } from './trail-at.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOW = Date.now()
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

interface Seed {
  readonly at: number
  /** Ms that the id is ahead of the time. */
  readonly ahead: number
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly worker_id: string | null
  readonly execution_id: bigint | null
  readonly parent_execution_id: bigint | null
  readonly actor_id: string | null
  readonly service_name: string | null
  readonly trace_id: string | null
  readonly server_region: string | null
  readonly kek_version: string | null
}

/** Every combination is there: the periods are prime to each other. Some ids are minutes to days off their times. */
function seeds(): Seed[] {
  const of = <T>(list: readonly T[], i: number): T => list[i % list.length] as T
  return Array.from({ length: 600 }, (_, i) => ({
    at: NOW - (i % 101) * 7 * HOUR,
    ahead: of([0, 0, -HOUR / 2, 3 * DAY, 0, -2 * DAY, 0, 20 * HOUR, HOUR, 0, -HOUR - 1], i),
    credential: of(['orders-db', 'orders-api', 'orders_db', '50%', 'a\\b', `o'; drop table x --`, 'ünï*'], i),
    operation: of(['get_credential', 'get_sealed', 'resolve_keychain'], i),
    outcome: of(['ok', 'ok', 'ok', 'no_pubkey', 'wrong_region', 'started'], i),
    worker_id: of(['w1', 'w2', null, `w'3`], i),
    execution_id: of([null, 2n ** 60n + 1n, -5n], i),
    parent_execution_id: of([null, 7n], i),
    actor_id: of(['jane', null], i),
    service_name: of(['orders', 'billing', null], i),
    trace_id: of([TRACE, null, null], i),
    server_region: of(['eu', 'us'], i),
    kek_version: of(['v1', 'v2', null], i),
  }))
}

let database: TestDatabase
let client: Client
const SEEDS = seeds()
const ids = SEEDS.map(({ at, ahead }, i) => idAt(at + ahead, i))

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  await client.query(
    `select noetl.secret_audit_create_partition(month)
     from noetl.secret_audit_missing_months(date_trunc('month', now() - interval '40 days')::timestamp, now()::timestamp) month`,
  )
  // Rows of a machine whose clock was ahead, from before the trail refused them.
  await client.query('alter table noetl.secret_audit drop constraint secret_audit_not_ahead')
  for (const [i, seed] of SEEDS.entries()) {
    const { at, ahead: _, ...columns } = seed
    const names = Object.keys(columns)
    await client.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, ${names.join(', ')})
       values ($1, 'epoch'::timestamptz + $2 * interval '1 ms', ${names.map((_, n) => `$${n + 3}`).join(', ')})`,
      [ids[i], at, ...Object.values(columns)],
    )
  }
  await allSettled(client)
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

/** What the filter means, said a second time and differently. */
function matching(which: (seed: Seed) => boolean): string[] {
  return SEEDS.flatMap((seed, i) => (which(seed) ? [ids[i] ?? 0n] : []))
    .sort((a, b) => (a < b ? 1 : -1))
    .map(String)
}

const idsOf = (rows: readonly TrailRow[]): string[] => rows.map(({ audit_id }) => audit_id)
const ago = (ms: number): Date => new Date(NOW - ms)

const CASES: readonly [string, TrailFilter, (seed: Seed) => boolean][] = [
  ['nothing', {}, () => true],
  ['a credential', { credential: 'orders-db' }, (s) => s.credential === 'orders-db'],
  ['how it begins', { credential: 'orders-*' }, (s) => s.credential.startsWith('orders-')],
  [
    'how it begins, with a character that LIKE knows',
    { credential: 'orders_*' },
    (s) => s.credential === 'orders_db',
  ],
  ['another one of those', { credential: '50%*' }, (s) => s.credential === '50%'],
  ['a backslash', { credential: 'a\\\\*' }, (s) => s.credential === 'a\\b'],
  ['SQL in it', { credential: `o'; drop table x --` }, (s) => s.credential.startsWith(`o'`)],
  ['letters beyond ASCII', { credential: 'ün*' }, (s) => s.credential === 'ünï*'],
  ['every credential', { credential: '*' }, () => true],
  ['an operation', { operation: 'get_sealed' }, (s) => s.operation === 'get_sealed'],
  ['an outcome', { outcome: 'no_pubkey' }, (s) => s.outcome === 'no_pubkey'],
  ['the outcome ok', { outcome: 'ok' }, (s) => s.outcome === 'ok'],
  ['whatever went wrong', { outcome: 'not-ok' }, (s) => s.outcome !== 'ok' && s.outcome !== 'started'],
  ['an execution', { execution_id: String(2n ** 60n + 1n) }, (s) => s.execution_id === 2n ** 60n + 1n],
  ['a negative execution', { execution_id: -5 }, (s) => s.execution_id === -5n],
  ['its parent', { parent_execution_id: 7n, from: ago(90 * DAY) }, (s) => s.parent_execution_id === 7n],
  ['a worker', { worker_id: `w'3`, from: ago(90 * DAY) }, (s) => s.worker_id === `w'3`],
  [
    'an actor',
    { actor_id: 'jane', credential: 'orders-*' },
    (s) => s.actor_id === 'jane' && s.credential.startsWith('orders-'),
  ],
  ['a service', { service_name: 'billing', from: '-90d' }, (s) => s.service_name === 'billing'],
  ['a trace, in capitals', { trace_id: TRACE.toUpperCase(), from: '-90d' }, (s) => s.trace_id === TRACE],
  ['a region', { server_region: 'us', from: '-90d' }, (s) => s.server_region === 'us'],
  ['a key version', { kek_version: 'v2', from: '-90d' }, (s) => s.kek_version === 'v2'],
  ['since', { from: ago(5 * DAY) }, (s) => s.at >= NOW - 5 * DAY],
  ['until', { to: ago(5 * DAY) }, (s) => s.at < NOW - 5 * DAY],
  [
    'a window',
    { from: ago(20 * DAY), to: ago(14 * HOUR) },
    (s) => s.at >= NOW - 20 * DAY && s.at < NOW - 14 * HOUR,
  ],
  [
    'a window of one row’s millisecond',
    { from: ago(14 * HOUR), to: ago(14 * HOUR - 1) },
    (s) => s.at === NOW - 14 * HOUR,
  ],
  [
    'all of it',
    {
      credential: 'orders-*',
      outcome: 'not-ok',
      worker_id: 'w1',
      from: ago(20 * DAY),
      to: new Date(NOW + 1),
    },
    (s) =>
      s.credential.startsWith('orders-') &&
      s.outcome !== 'ok' &&
      s.worker_id === 'w1' &&
      s.at >= NOW - 20 * DAY,
  ],
]

describe('a search', () => {
  test.each(CASES)('by %s finds exactly those rows, newest first', async (_, filter, which) => {
    const trail = trailAt(database)
    const expected = matching(which)
    expect(expected.length, 'rows there are').toBeGreaterThan(0)
    expect(idsOf(await scan(trail, { ...filter, limit: 7 }))).toEqual(expected)
    expect(idsOf(await scan(trail, { ...filter, limit: 10_000, settled: true }))).toEqual(expected)
    const all: TrailRow[] = []
    for await (const { rows } of trail.pages(filter)) all.push(...rows)
    expect(idsOf(all)).toEqual(expected)
  })

  test.each(CASES)('by %s is counted alike by histogram and summary', async (_, filter, which) => {
    const trail = trailAt(database)
    const window = { from: ago(90 * DAY), to: new Date(NOW + DAY), ...filter }
    const seeds = SEEDS.filter(which)
    const { buckets } = await trail.histogram(window)
    expect(buckets.reduce((sum, { total }) => sum + total, 0)).toBe(seeds.length)
    const outcomes = new Map<string, number>()
    for (const bucket of buckets) {
      for (const [outcome, n] of Object.entries(bucket.outcomes))
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + n)
    }
    for (const [outcome, n] of outcomes) expect(n).toBe(seeds.filter((s) => s.outcome === outcome).length)

    const { groups, truncated } = await trail.summary(window)
    expect(truncated).toBe(false)
    expect(groups.map(({ value }) => String(value)).sort()).toEqual(
      [...new Set(seeds.map((s) => s.credential))].sort(),
    )
    for (const one of groups) {
      const of = seeds.filter((s) => s.credential === one.value)
      const times = of.map(({ at }) => at).sort((a, b) => a - b)
      expect(one).toEqual({
        value: one.value,
        accesses: of.length,
        denials: of.filter((s) => s.outcome !== 'ok').length,
        workers: new Set(of.map((s) => s.worker_id).filter((id) => id !== null)).size,
        actors: new Set(of.map((s) => s.actor_id).filter((id) => id !== null)).size,
        sources: 0,
        first_access: expect.stringContaining(new Date(times[0] ?? 0).toISOString().slice(0, 23)),
        last_access: expect.stringContaining(new Date(times.at(-1) ?? 0).toISOString().slice(0, 23)),
      })
    }
  })

  test('puts each row into the bucket of its time', async () => {
    const trail = trailAt(database)
    const { buckets, bucket_seconds } = await trail.histogram(
      { from: ago(20 * DAY), to: new Date(NOW) },
      { buckets: 40 },
    )
    expect(bucket_seconds).toBe(43_200)
    for (const { from, total } of buckets) {
      const begins = Math.max(Date.parse(from), NOW - 20 * DAY)
      const ends = Math.min(Date.parse(from) + bucket_seconds * 1000, NOW)
      expect(total).toBe(SEEDS.filter(({ at }) => at >= begins && at < ends).length)
    }
  })

  test('has every column of a row as it is stored', async () => {
    const trail = trailAt(database)
    const id = idAt(NOW, 4_000_000)
    const attributes = '{"b": 1e2,\n"a":"x"}'
    await client.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, execution_id, notes,
         attributes, original_audit_id, event_digest, chain_id, block_no, block_index)
       values ($1, '2026-11-26T10:00:00.000001Z', 'whole', 'get_credential', 'ok', $2, 'note', $3, 5, '\\xdead',
         '0b5a1f2e-0000-4000-8000-000000000001', 9007199254740993, 3)`,
      [id, 2n ** 63n - 1n, attributes],
    )
    const row = await trail.row(id)
    expect(row).toMatchObject({
      audit_id: String(id),
      occurred_at: '2026-11-26T10:00:00.000001Z',
      execution_id: '9223372036854775807',
      attributes,
      original_audit_id: '5',
      event_digest: 'dead',
      chain_id: '0b5a1f2e-0000-4000-8000-000000000001',
      block_no: '9007199254740993',
      block_index: '3',
      worker_id: null,
    })
    if (row === undefined) return
    const line = rowJson(row)
    expect(line).not.toContain('\n')
    expect(JSON.parse(line)).toMatchObject({ ...row, attributes: { a: 'x', b: 100 }, block_index: 3 })
    expect(rowJson(row, 'number')).toContain('"execution_id":9223372036854775807,')
    expect(await trail.row(1n)).toBeUndefined()
  })
})

test('a relative window stays where it was on the first page, however long the scan takes', async () => {
  const trail = trailAt(database)
  for (let i = 0; i < 3; i++) {
    await client.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome)
       values ($1, now() - $2 * interval '1 ms', 'fleeting', 'get_credential', 'ok')`,
      [idAt(Date.now(), 4_100_000 + i), i],
    )
  }
  const filter = { credential: 'fleeting', from: '3s', limit: 1 }
  const found = await scan(trail, filter, () => pause(1600))
  expect(found).toHaveLength(3)
})

describe('what cannot be answered', () => {
  test('a cursor where there are no pages, and a number of buckets that there is not', async () => {
    const trail = trailAt(database)
    await expect(trail.summary({ cursor: 'x' })).rejects.toMatchObject({ field: 'cursor' })
    for (const buckets of [0, 501, 1.5, Number.NaN]) {
      await expect(trail.histogram({}, { buckets })).rejects.toMatchObject({ field: 'buckets' })
    }
    await expect(trail.histogram({ from: new Date(NOW + DAY) })).rejects.toMatchObject({ field: 'from' })
  })
})
