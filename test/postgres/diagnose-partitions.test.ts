import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { firstIdOf } from '../../src/event/snowflake.js'
import { diagnosePartitions, tooFewLocks, tooMany, tooWide } from '../../src/postgres/diagnose-partitions.js'
import { type Growth, growthOf } from '../../src/postgres/partition-growth.js'
import { listPartitions } from '../../src/postgres/partitions.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { ORIGINAL_INSERT, originalValues } from './adopt/original-table.js'

let database: TestDatabase
let owner: pg.Client

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterEach(async () => {
  await owner.end()
  await database.drop()
})

/** As a service sees it. */
async function said(): Promise<readonly string[]> {
  await owner.query('set role noetl_audit_writer')
  const { findings } = await diagnosePartitions(owner, 'noetl')
  await owner.query('reset role')
  return findings.map(({ level, message }) => `${level}: ${message}`)
}

const month = (ahead: number): Date => {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead))
}

async function removeMonth(ahead: number): Promise<void> {
  const from = firstIdOf(month(ahead).getTime())
  const gone = (await listPartitions(owner, 'noetl')).find(({ fromId }) => fromId === from)
  await owner.query(`drop table noetl.${gone?.name}`)
}

const setWidth = (width: string): Promise<unknown> =>
  owner.query('select noetl.secret_audit_set_partition_width($1)', [width])

test('finds nothing in a trail that is in order, whatever its width', async () => {
  for (const width of ['month', 'week', 'day']) {
    await setWidth(width)
    expect(await said()).toEqual([])
    expect((await diagnosePartitions(owner, 'noetl')).state).toMatch(
      new RegExp(`^\\d+, one a ${width}, up to 20\\d\\d-`),
    )
  }
})

describe('ids that no partition takes', () => {
  test('of the time to come are an error, and migrate makes them', async () => {
    await removeMonth(2)
    const [first, last] = [firstIdOf(month(2).getTime()), firstIdOf(month(3).getTime()) - 1n]
    expect(await said()).toEqual([
      `error: no partition takes the ids from ${first} to ${last} (${month(2).toISOString()} to ${month(3).toISOString()}), and they were not retired: somebody removed a partition; run \`otel-audit migrate\``,
    ])
    await owner.query('select noetl.secret_audit_ensure_partitions()')
    expect(await said()).toEqual([])
  })

  test('of months that are over are a warning; what was retired is none', async () => {
    await owner.query(`select noetl.secret_audit_create_partition(month)
      from noetl.secret_audit_missing_months(date_trunc('month', now() at time zone 'UTC') - interval '4 months', now()::timestamp) month`)
    await removeMonth(-3)
    expect(await said()).toEqual([expect.stringMatching(/^warning: no partition takes the ids from /)])
    await owner.query(
      `insert into noetl.secret_audit_retirement (partition, from_id, to_id, state) values ('gone', $1, $2, 'retired')`,
      [firstIdOf(month(-3).getTime()), firstIdOf(month(-2).getTime())],
    )
    expect(await said()).toEqual([])
  })
})

test.each([
  ['week', 8],
  ['day', 12],
])('by %s, few of them ahead are an error', async (width, removed) => {
  await setWidth(width)
  const partitions = await listPartitions(owner, 'noetl')
  for (const { name } of partitions.slice(3).slice(-removed)) await owner.query(`drop table noetl.${name}`)
  const short = (await said()).filter((text) => text.startsWith('error: only '))
  const covered = (partitions.at(-1)?.toId ?? 0n) <= firstIdOf(month(1).getTime())
  if (!covered)
    expect(short).toEqual([
      expect.stringContaining(`${width}s of partitions are ahead; run \`otel-audit migrate\``),
    ])
})

test('more than 128 partitions are too many, and so are their locks for a server with the defaults', async () => {
  await owner.query(
    `select noetl.secret_audit_create_partition('month', noetl.secret_audit_first_id(day), noetl.secret_audit_first_id(day + interval '1 day'))
     from generate_series(timestamp '2024-01-01', timestamp '2024-04-24', interval '1 day') day`,
  )
  await owner.query(`select noetl.secret_audit_create_partition('month', noetl.secret_audit_first_id('2024-04-25'),
    noetl.secret_audit_first_id((select date_trunc('month', now() at time zone 'UTC') - interval '1 month')))`)
  const { rows } = await owner.query<{ locks: number; connections: number }>(
    `select current_setting('max_locks_per_transaction')::int as locks, current_setting('max_connections')::int as connections`,
  )
  const { locks = 0, connections = 1 } = rows[0] ?? {}
  const count = (await listPartitions(owner, 'noetl')).length
  expect(count).toBe(130)
  const needed = Math.ceil((2 * count * 7 * 4) / connections)
  expect(await said()).toEqual([
    expect.stringMatching(/^warning: there are 130 partitions, .* `otel-audit retire` what is old$/),
    ...(locks < needed
      ? [expect.stringMatching(`^warning: max_locks_per_transaction is ${locks}: .* may need ${needed},`)]
      : []),
  ])
})

test('the locks that readers of the whole trail need are 2 × partitions × 7 × 4 / max_connections', () => {
  expect(tooFewLocks(114, { locks: 64, connections: 100 })).toEqual([])
  expect(tooFewLocks(128, { locks: 72, connections: 100 })).toEqual([])
  expect(tooFewLocks(128, { locks: 64, connections: 100 })).toMatchObject([
    { level: 'warning', message: expect.stringMatching(/^max_locks_per_transaction is 64: .* may need 72,/) },
  ])
})

describe('the width', () => {
  const GIB = 2 ** 30
  const growth = (indexBytesPerDay: number): Growth => ({
    rowsPerDay: 100_000,
    indexBytesPerDay,
    sharedBuffers: GIB,
  })

  test('fits as long as the index by credentials of a partition fits shared_buffers', () => {
    expect(tooWide('month', undefined)).toEqual([])
    expect(tooWide('month', growth(GIB / 30))).toEqual([])
    expect(tooWide('month', growth(GIB / 29)).map(({ message }) => message)).toEqual([
      'a month grows to 3.0 million rows, and its index by credentials to 1060 MiB, more than shared_buffers (1024 MiB): an insert then takes the server up to twice as long. `otel-audit migrate --partition-width week`, or more shared_buffers',
    ])
    expect(tooWide('month', growth(GIB / 3))[0]?.message).toContain('--partition-width day`')
    expect(tooWide('week', growth(GIB / 29))).toEqual([])
    expect(tooWide('day', growth(GIB * 2))[0]?.message).toMatch(/twice as long\. more shared_buffers$/)
  })

  test('and where there are too many partitions, a wider one is advised if it fits', () => {
    expect(tooMany(128, 'day', growth(1))).toEqual([])
    expect(tooMany(129, 'day', growth(1))[0]?.message).toContain(
      'or `otel-audit migrate --partition-width month`',
    )
    expect(tooMany(129, 'day', growth(GIB / 3))[0]?.message).not.toContain('--partition-width')
    expect(tooMany(129, 'month', undefined)[0]?.message).not.toContain('--partition-width')
  })

  test('is judged by the last full partitions: that one of them which grew fastest', async () => {
    const now = Date.now()
    const partitions = await listPartitions(owner, 'noetl')
    expect(await growthOf(owner, 'noetl', partitions.slice(1), now)).toBeUndefined()
    for (let i = 0; i < 300; i++)
      await owner.query(
        ORIGINAL_INSERT,
        originalValues(firstIdOf(month(-1).getTime() + i), `credential-${i}`),
      )
    await owner.query('analyze noetl.secret_audit')
    const found = await growthOf(owner, 'noetl', partitions, now)
    const days = (month(0).getTime() - month(-1).getTime()) / 86_400_000
    expect(found?.rowsPerDay).toBeCloseTo(300 / days, 5)
    expect((found?.indexBytesPerDay ?? 0) * days).toBeGreaterThanOrEqual(2 * 8192)
    expect(found?.sharedBuffers).toBeGreaterThan(0)
  })
})
