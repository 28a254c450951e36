import { PostgresAuditSink } from 'otel-audit'
import type { TrailFilter } from 'otel-audit/query'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { readingFields } from '../../src/event/self-rows.js'
import { Outcome } from '../../src/event/vocabulary.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { trailAt } from './trail-at.js'

const NOW = Date.now()
const MINUTE = 60_000
const DAY = 1440 * MINUTE

function at(ago: number, fields: Partial<AuditFields>): ReturnType<typeof anEvent> {
  return anEvent(fields, { occurredAt: (NOW - ago) * 1000 })
}

const JANE = { actorId: 'jane', sourceAddress: '192.0.2.1' } as const
const DENIED = { outcome: Outcome.AccessDenied } as const
const READER = { actorId: 'auditor', actorType: 'user' } as const

/** The store refuses ids that are far from now, and not times: ids are of now. */
const EVENTS = [
  at(20 * DAY, { ...JANE, credential: 'old' }),
  at(2 * DAY, { ...JANE, credential: 'busy' }),
  at(DAY, { ...JANE, credential: 'busy', sourceAddress: '192.0.2.2' }),
  at(60 * MINUTE, { actorId: 'joe', credential: 'busy' }),
  // A burst of six, with less than five minutes between them; then one alone, and too few of another.
  ...[50, 48, 46, 42, 38, 34].map((ago, i) =>
    at(ago * MINUTE, { ...JANE, ...DENIED, credential: `locked-${i % 2}` }),
  ),
  at(20 * MINUTE, { ...JANE, ...DENIED, credential: 'locked-0' }),
  ...[10, 9, 8].map((ago) => at(ago * MINUTE, { ...DENIED, workerId: 'w1', credential: 'locked-0' })),
  // Denied, and two minutes later not.
  at(6 * MINUTE, { workerId: 'w1', credential: 'locked-0' }),
  // Another's success says nothing, and neither does one that comes late.
  at(5 * MINUTE, { ...JANE, credential: 'locked-0' }),
  anEvent({
    ...readingFields(READER, { what: 'rows', via: 'cli', filter: '{}' }, Outcome.Ok),
    executionId: undefined,
  }),
]

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(batchOf(...EVENTS))
  await sink.close()
})

afterAll(() => database.drop())

describe('a summary', () => {
  const values = async (
    filter: TrailFilter,
    order?: 'dormant' | 'newest' | 'oldest' | 'recent' | 'denials' | 'name',
  ) => (await trailAt(database).summary(filter, { order })).groups.map(({ value }) => value)

  test.each([
    ['dormant', ['old', 'locked-1', 'busy', 'locked-0']],
    ['recent', ['locked-0', 'busy', 'locked-1', 'old']],
    ['newest', ['locked-1', 'locked-0', 'busy', 'old']],
    ['oldest', ['old', 'busy', 'locked-0', 'locked-1']],
    ['name', ['busy', 'locked-0', 'locked-1', 'old']],
    ['denials', ['locked-0', 'locked-1', 'busy', 'old']],
  ] as const)('puts first what is asked for: %s', async (order, expected) => {
    const found = await values({}, order)
    if (order !== 'dormant' && order !== 'recent') return expect(found).toEqual(expected)
    expect([found.indexOf('old'), found.indexOf('locked-0')]).toEqual([
      expected.indexOf('old'),
      expected.indexOf('locked-0'),
    ])
  })

  test('counts addresses, and the rows about the trail where they are asked for', async () => {
    const { groups } = await trailAt(database).summary({ credential: 'busy' }, { by: 'actor_id' })
    expect(groups.map(({ value, accesses, sources }) => [value, accesses, sources])).toEqual([
      ['jane', 2, 2],
      ['joe', 1, 0],
    ])
    expect(await values({})).not.toContain('secret_audit')
    const asked = await trailAt(database).summary({ credential: 'secret_audit' }, { by: 'actor_id' })
    expect(asked.groups.map(({ value, accesses }) => [value, accesses])).toEqual([['auditor', 1]])
    expect(await values({ operation: 'query_trail' })).toEqual(['secret_audit'])
  })
})

describe('a matrix', () => {
  test('has a cell for each pair', async () => {
    const { by, across, cells, truncated } = await trailAt(database).matrix(
      { credential: 'busy,old' },
      { order: 'name' },
    )
    expect({ by, across, truncated }).toEqual({ by: 'credential', across: 'actor_id', truncated: false })
    expect(cells.map(({ value, other, accesses, denials }) => [value, other, accesses, denials])).toEqual([
      ['busy', 'jane', 2, 0],
      ['busy', 'joe', 1, 0],
      ['old', 'jane', 1, 0],
    ])
    expect(Date.parse(cells[0]?.first_access ?? '')).toBe(NOW - 2 * DAY)
  })

  test('may be of other columns, and says when there is more', async () => {
    const { cells, truncated } = await trailAt(database).matrix(
      { limit: 2 },
      { by: 'worker_id', across: 'operation' },
    )
    expect(cells).toHaveLength(2)
    expect(truncated).toBe(false)
    const more = await trailAt(database).matrix({ limit: 1 }, { by: 'worker_id', across: 'credential' })
    expect([more.cells.length, more.truncated]).toEqual([1, true])
    await expect(trailAt(database).matrix({}, { across: 'notes' as 'actor_id' })).rejects.toMatchObject({
      field: 'across',
    })
  })
})

describe('bursts', () => {
  test('are denials of one that follow each other', async () => {
    const { by, bursts, truncated } = await trailAt(database).bursts()
    expect({ by, truncated }).toEqual({ by: 'who', truncated: false })
    expect(bursts).toEqual([
      {
        value: 'jane',
        denials: 6,
        credentials: 2,
        sources: 1,
        outcomes: ['access_denied'],
        began: expect.any(String),
        ended: expect.any(String),
      },
    ])
    expect(Date.parse(bursts[0]?.ended ?? '') - Date.parse(bursts[0]?.began ?? '')).toBe(16 * MINUTE)
  })

  test('are as close, as many and of whom as is asked for', async () => {
    const trail = trailAt(database)
    const sizes = async (options: object) =>
      (await trail.bursts({}, options)).bursts.map(({ value, denials }) => [value, denials])
    expect(await sizes({ least: 3 })).toEqual([
      ['jane', 6],
      ['w1', 3],
    ])
    expect(await sizes({ least: 3, within: 130 })).toEqual([
      ['w1', 3],
      ['jane', 3],
    ])
    expect(await sizes({ by: 'credential', least: 2, within: 900 })).toEqual([
      ['locked-0', 4],
      ['locked-1', 3],
      ['locked-0', 3],
    ])
    await expect(trail.bursts({}, { within: 0 })).rejects.toMatchObject({ field: 'within' })
    await expect(trail.bursts({}, { least: '1' })).rejects.toMatchObject({ field: 'least' })
    await expect(trail.bursts({ cursor: 'x' })).rejects.toMatchObject({ field: 'cursor' })
  })
})

describe('what was granted right after a denial', () => {
  test('is found, with both rows', async () => {
    const { reversals } = await trailAt(database).reversals()
    expect(
      reversals.map(({ credential, value, denied_outcome }) => [credential, value, denied_outcome]),
    ).toEqual([['locked-0', 'w1', 'access_denied']])
    const [one] = reversals
    expect(Date.parse(one?.allowed ?? '') - Date.parse(one?.denied ?? '')).toBe(2 * MINUTE)
    const ids = new Set(EVENTS.map(({ auditId }) => String(auditId)))
    expect([ids.has(one?.denied_id ?? ''), ids.has(one?.allowed_id ?? '')]).toEqual([true, true])
  })

  test('is as near as is asked for', async () => {
    const found = await trailAt(database).reversals({}, { within: 60 })
    expect(found.reversals).toEqual([])
    const later = await trailAt(database).reversals({}, { within: 3600 })
    expect(later.reversals.map(({ value }) => value)).toEqual(['jane', 'w1'])
  })
})
