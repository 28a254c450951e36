import * as fc from 'fast-check'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { firstIdOf } from '../../src/event/snowflake.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import {
  ensurePartitionFor,
  ensurePartitions,
  listPartitions,
  type Partition,
  partitionWidth,
  type PartitionWidth,
} from '../../src/postgres/partitions.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, emptyDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { ORIGINAL_INSERT, originalValues } from './adopt/original-table.js'

const DAY_MS = 86_400_000
const AHEAD = { month: 12, week: 8, day: 14 } as const

let database: TestDatabase
let owner: pg.Client
/** With the rights of the writer role, and no others. */
let writer: pg.Client
const others: pg.Client[] = []

beforeEach(async () => {
  database = await emptyDatabase()
  await migrate({ databaseUrl: database.url, roles: true })
  owner = await connect(database.url)
  writer = await connect(database.url)
  await writer.query('set role noetl_audit_writer')
})

afterEach(async () => {
  await Promise.all([owner, writer, ...others.splice(0)].map((client) => client.end()))
  await database.drop()
})

/** The start of the unit so many after the current one, ms since the Unix epoch. */
function unit(width: PartitionWidth, ahead: number, now = new Date()): number {
  const [year, month, day] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
  if (width === 'month') return Date.UTC(year, month + ahead)
  if (width === 'day') return Date.UTC(year, month, day + ahead)
  return Date.UTC(year, month, day - ((now.getUTCDay() + 6) % 7) + 7 * ahead)
}

const idAtStart = (width: PartitionWidth, ahead: number): bigint => firstIdOf(unit(width, ahead))

async function change(partitionWidth: PartitionWidth): Promise<readonly string[]> {
  return (await migrate({ databaseUrl: database.url, partitionWidth })).partitions
}

/** Each begins where the one before it ends. */
function expectNoGap(partitions: readonly Partition[]): void {
  expect(partitions.map(({ fromId }) => fromId).slice(1)).toEqual(
    partitions.map(({ toId }) => toId).slice(0, -1),
  )
}

async function remove(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await owner.query(
      `alter table noetl.secret_audit detach partition noetl.${name}; drop table noetl.${name}`,
    )
  }
}

/** A partition made by hand. */
async function attach(name: string, from: bigint, to: bigint): Promise<void> {
  await owner.query(
    `create table noetl.${name} (like noetl.secret_audit including defaults including constraints);
     alter table noetl.secret_audit attach partition noetl.${name} for values from (${from}) to (${to})`,
  )
}

const named = (partitions: readonly Partition[], name: string): Partition | undefined =>
  partitions.find((one) => one.name === name)

describe('what is missing is known by the ids that no partition takes', () => {
  test('half a month that is gone is made again, and nothing else', async () => {
    const [from, middle, to] = [
      idAtStart('month', 2),
      firstIdOf(unit('month', 2) + 14 * DAY_MS),
      idAtStart('month', 3),
    ]
    const [whole] = (await listPartitions(owner, 'noetl')).filter(({ fromId }) => fromId === from)
    await remove(whole?.name ?? '')
    await attach('first_half', from, middle)
    expect(await ensurePartitions(writer, 'noetl')).toEqual([whole?.name])
    const partitions = await listPartitions(owner, 'noetl')
    expect(named(partitions, whole?.name ?? '')).toMatchObject({ fromId: middle, toId: to })
    expectNoGap(partitions)
    expect(await ensurePartitions(writer, 'noetl')).toEqual([])
  })

  test('two halves that are gone around a week of their own get two names, on demand of an id as well', async () => {
    const [from, to] = [idAtStart('month', 2), idAtStart('month', 3)]
    const [one, other] = [firstIdOf(unit('month', 2) + 7 * DAY_MS), firstIdOf(unit('month', 2) + 14 * DAY_MS)]
    const [whole] = (await listPartitions(owner, 'noetl')).filter(({ fromId }) => fromId === from)
    await remove(whole?.name ?? '')
    await attach('by_hand', one, other)
    expect(await ensurePartitionFor(writer, 'noetl', other)).toBe(whole?.name)
    expect(await ensurePartitionFor(writer, 'noetl', to - 1n)).toBeUndefined()
    expect(await ensurePartitionFor(writer, 'noetl', one - 1n)).toBe(`${whole?.name}_2`)
    const partitions = await listPartitions(owner, 'noetl')
    expect(named(partitions, whole?.name ?? '')).toMatchObject({ fromId: other, toId: to })
    expect(named(partitions, `${whole?.name}_2`)).toMatchObject({ fromId: from, toId: one })
    expectNoGap(partitions)
  })

  test('a range that was retired is not made again, nor is its name used again', async () => {
    const [from, middle, to] = [
      idAtStart('month', 0),
      firstIdOf(unit('month', 0) + 7 * DAY_MS),
      idAtStart('month', 1),
    ]
    const [whole] = (await listPartitions(owner, 'noetl')).filter(({ fromId }) => fromId === from)
    await remove(whole?.name ?? '')
    await owner.query(
      `insert into noetl.secret_audit_retirement (partition, from_id, to_id, state) values ($1, $2, $3, 'retired')`,
      [whole?.name, from, middle],
    )
    expect(await ensurePartitions(writer, 'noetl')).toEqual([`${whole?.name}_2`])
    expect(named(await listPartitions(owner, 'noetl'), `${whole?.name}_2`)).toMatchObject({
      fromId: middle,
      toId: to,
    })
    await expect(ensurePartitionFor(writer, 'noetl', middle - 1n)).rejects.toMatchObject({ code: '22023' })
  })

  test('whatever was removed, and in whatever width: everything ahead is covered once', async () => {
    const step = fc.record({
      width: fc.constantFrom<PartitionWidth>('month', 'week', 'day'),
      drops: fc.array(fc.nat(30), { maxLength: 6 }),
    })
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 4 }),
      async (steps: readonly { width: PartitionWidth; drops: readonly number[] }[]) => {
        for (const { width, drops } of steps) {
          await owner.query('select noetl.secret_audit_set_partition_width($1)', [width])
          const future = (await listPartitions(owner, 'noetl')).slice(2)
          await remove(...new Set(drops.flatMap((i) => future[i]?.name ?? [])))
          await ensurePartitions(writer, 'noetl')
          const partitions = await listPartitions(owner, 'noetl')
          expectNoGap(partitions)
          expect(partitions.at(-1)?.toId).toBeGreaterThanOrEqual(idAtStart(width, AHEAD[width] + 1))
        }
      },
    )
    await fc.assert(property, { numRuns: 8, endOnFailure: true })
  })
})

describe('another width', () => {
  test.each<[PartitionWidth, RegExp]>([
    ['week', /^secret_audit_y\d{4}w\d\d(_2)?$/],
    ['day', /^secret_audit_y\d{4}d\d{3}$/],
  ])(
    'by %s: from the end of the current month on, as far ahead as that width is kept',
    async (width, name) => {
      expect(await partitionWidth(writer, 'noetl')).toBe('month')
      const made = await change(width)
      expect(await partitionWidth(writer, 'noetl')).toBe(width)
      const partitions = await listPartitions(writer, 'noetl')
      expectNoGap(partitions)
      expect(partitions.slice(0, 2).map(({ fromId }) => fromId)).toEqual([
        idAtStart('month', -1),
        idAtStart('month', 0),
      ])
      expect(partitions.slice(2).map((one) => one.name)).toEqual(made)
      for (const one of made) expect(one).toMatch(name)
      for (const { fromId, toId } of partitions.slice(3)) {
        expect(Number(((toId ?? 0n) >> 22n) - ((fromId ?? 0n) >> 22n))).toBe(
          (width === 'week' ? 7 : 1) * DAY_MS,
        )
      }
      // Longer ahead where the current month is: the units that it covers need none.
      const end = idAtStart(width, AHEAD[width] + 1)
      const endOfMonth = idAtStart('month', 1)
      expect(partitions.at(-1)?.toId).toBe(end > endOfMonth ? end : endOfMonth)
      expect(await ensurePartitions(writer, 'noetl')).toEqual([])
      expect(await change(width)).toEqual([])
    },
  )

  test('of a new trail: from its first partition on', async () => {
    const own = await emptyDatabase()
    try {
      const { partitions } = await migrate({ databaseUrl: own.url, partitionWidth: 'day' })
      expect(partitions).toHaveLength(1 + 1 + AHEAD.day)
    } finally {
      await own.drop()
    }
  })

  test('and back: days that have begun stay, and the rest of their month is one partition', async () => {
    await change('day')
    await change('month')
    const partitions = await listPartitions(owner, 'noetl')
    expectNoGap(partitions)
    expect(partitions.at(-1)?.toId).toBe(idAtStart('month', 13))
    expect(partitions.filter(({ name }) => /d\d{3}$/.test(name))).toEqual([])
  })

  test('a partition of the future that has a row stays', async () => {
    await owner.query('alter table noetl.secret_audit drop constraint secret_audit_not_ahead')
    await owner.query(ORIGINAL_INSERT, originalValues(idAtStart('month', 2)))
    const before = await listPartitions(owner, 'noetl')
    await change('week')
    const partitions = await listPartitions(owner, 'noetl')
    const kept = before.find(({ fromId }) => fromId === idAtStart('month', 2))
    expect(partitions).toContainEqual(kept)
    expectNoGap(partitions.filter(({ fromId = 0n }) => fromId < idAtStart('week', 9)))
    expect((await owner.query('select from noetl.secret_audit')).rowCount).toBe(1)
  })

  test('an id that has no partition gets that of its week; beyond eight weeks none', async () => {
    await change('week')
    const [last] = (await listPartitions(owner, 'noetl')).slice(-1)
    await remove(last?.name ?? '')
    expect(await ensurePartitionFor(writer, 'noetl', idAtStart('week', 9) - 1n)).toBe(last?.name)
    await expect(ensurePartitionFor(writer, 'noetl', idAtStart('week', 9))).rejects.toMatchObject({
      code: '22023',
    })
  })

  test('a service of before, which asks for twelve months, is given what is kept ahead', async () => {
    await change('week')
    await remove((await listPartitions(owner, 'noetl')).at(-1)?.name ?? '')
    expect(await ensurePartitions(writer, 'noetl', 12)).toHaveLength(1)
    await expect(ensurePartitions(writer, 'noetl', 13)).rejects.toMatchObject({ code: '22023' })
  })

  test('is the owner’s to choose, and one of three', async () => {
    await expect(writer.query(`select noetl.secret_audit_set_partition_width('day')`)).rejects.toMatchObject({
      code: '42501',
    })
    await expect(
      writer.query(`update noetl.secret_audit_partitioning set width = 'day'`),
    ).rejects.toMatchObject({ code: '42501' })
    await expect(owner.query(`select noetl.secret_audit_set_partition_width('year')`)).rejects.toMatchObject({
      code: '22023',
    })
  })
})

describe('while the trail is in use', () => {
  test('behind a long reader it gives up at once, writers go on, and it is tried again', async () => {
    const reader = await connect(database.url)
    const inserter = await connect(database.url)
    others.push(reader, inserter)
    await reader.query('begin')
    await reader.query('select count(*) from noetl.secret_audit')
    await expect(owner.query(`select noetl.secret_audit_set_partition_width('week')`)).rejects.toMatchObject({
      code: '55P03',
    })
    const waits: string[] = []
    const changed = migrate({
      databaseUrl: database.url,
      partitionWidth: 'week',
      onProgress: (line) => waits.push(line),
    })
    // Whoever had to wait for the reader would wait until this gives up.
    await inserter.query(`set statement_timeout = '20s'`)
    for (let id = firstIdOf(Date.now()); waits.filter((line) => line.includes('attempt')).length < 2; id++) {
      await inserter.query(ORIGINAL_INSERT, originalValues(id))
    }
    expect(await partitionWidth(owner, 'noetl')).toBe('month')
    await reader.query('commit')
    expect((await changed).partitions.length).toBeGreaterThan(0)
    expect(await partitionWidth(owner, 'noetl')).toBe('week')
  })

  test('a writer goes on over a change, and its rows are stored', async () => {
    const sink = new PostgresAuditSink({ databaseUrl: database.url, origin: 'otel-audit/width' })
    try {
      const write = async (): Promise<string> => (await sink.write(batchOf(anEvent(), anEvent()))).status
      expect(await write()).toBe('committed')
      for (const width of ['day', 'week', 'month'] as const) {
        await change(width)
        expect(await write()).toBe('committed')
      }
    } finally {
      await sink.close()
    }
    expect((await owner.query('select from noetl.secret_audit')).rowCount).toBe(8)
  })
})
