import { sample } from 'fast-check'
import { types } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventDigest } from '../../../src/event/digest.js'
import type { AuditEvent } from '../../../src/event/event.js'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { anyEvent } from '../../event/arbitrary-event.js'
import { connect, migratedDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { readTrail } from '../../support/trail.js'

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** A trail in which every id has a place. */
async function openTrail() {
  const database = await migratedDatabase()
  const owner = await connect(database.url)
  const { rows } = await owner.query('select from_id, to_id from noetl.secret_audit_partitions() order by 1')
  await owner.query(`
    alter table noetl.secret_audit drop constraint secret_audit_not_ahead;
    create table noetl.secret_audit_first partition of noetl.secret_audit for values from (minvalue) to (${rows[0].from_id});
    create table noetl.secret_audit_last partition of noetl.secret_audit for values from (${rows.at(-1).to_id}) to (maxvalue)`)
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  return { database, owner, sink }
}

let whole: Awaited<ReturnType<typeof openTrail>>
/** The same events, each in a batch of its own: that is another statement. */
let single: Awaited<ReturnType<typeof openTrail>>

beforeAll(async () => {
  whole = await openTrail()
  single = await openTrail()
})

afterAll(async () => {
  for (const { sink, owner, database } of [whole, single]) {
    await sink.close()
    await owner.end()
    await database.drop()
  }
})

async function expectUnchanged(...events: readonly AuditEvent[]): Promise<void> {
  const committed = { status: 'committed', committedAt: expect.any(Number), place: expect.any(Object) }
  expect(await whole.sink.write(batchOf(...events))).toEqual(committed)
  for (const event of events) expect(await single.sink.write(batchOf(event))).toEqual(committed)
  const expected = [...events].sort((a, b) => (a.auditId < b.auditId ? -1 : 1))
  const ids = new Set(events.map(({ auditId }) => auditId))
  for (const { owner } of [whole, single]) {
    const rows = (await readTrail(owner)).filter(({ event }) => ids.has(event.auditId))
    expect(rows.map(({ event }) => event)).toEqual(expected)
    for (const { event, digest } of rows) expect(digest).toEqual(eventDigest(event))
  }
}

describe('every column is stored as it is', () => {
  test('all of them, and none of them', async () => {
    const full = anEvent(
      {
        workerId: 'worker-1',
        executionId: 7n,
        parentExecutionId: 6n,
        serverRegion: 'eu-central-1',
        brokerRegion: 'us-east-1',
        kekVersion: 'v3',
        notes: 'a note',
        actorId: 'alice',
        actorType: 'user',
        sourceAddress: '10.0.0.1',
        attributes: { b: 'x', a: 1, c: true },
      },
      { serviceName: 'wallet', serviceInstanceId: 'i-1', traceId: '1'.repeat(32), spanId: '2'.repeat(16) },
    )
    expect(Object.values({ ...full, originalAuditId: 1n })).not.toContain(null)
    await expectUnchanged({ ...full, originalAuditId: 1n }, anEvent({ executionId: undefined }))
  })

  test('ids up to both ends of 64 bits', async () => {
    await expectUnchanged(
      { ...anEvent({ executionId: INT64_MAX, parentExecutionId: INT64_MIN }), auditId: INT64_MAX },
      {
        ...anEvent({ executionId: INT64_MIN, parentExecutionId: -1n }),
        auditId: 0n,
        originalAuditId: INT64_MAX,
      },
      { ...anEvent({ executionId: 2n ** 53n + 1n, parentExecutionId: 0n }), auditId: 2n ** 53n + 1n },
    )
  })

  test('times to the microsecond, from the first to the last that can be', async () => {
    const times = [0, 1, 999, 1000, 123_456, 999_999].map((us) => 1_704_067_200_000_000 + us)
    times.push(1_783_999_999_999_999, 1_900_000_000_000_001, 3_903_000_000_000_001, Number.MAX_SAFE_INTEGER)
    await expectUnchanged(...times.map((occurredAt) => ({ ...anEvent(), occurredAt })))
  })

  test('text that looks like something else', async () => {
    const looks = [
      'NULL',
      '',
      ' ',
      '{}',
      '{a,b}',
      '"',
      '\\',
      '\\x00',
      "'; drop table x; --",
      '$1',
      '\u2028',
      '%s',
      'null',
    ]
    await expectUnchanged(
      ...looks.map((notes) => ({ ...anEvent({ workerId: notes }), notes, credential: notes || ' ' })),
    )
  })

  test('text is not normalised, and spaces stay', async () => {
    await expectUnchanged(
      { ...anEvent(), notes: 'e\u0301 é ﬁ \u200b\ufeff 😀', credential: '  Å\u00a0 ' },
      { ...anEvent(), notes: 'é e\u0301', credential: 'Å' },
    )
  })

  test('the JSON text of the attributes, character by character', async () => {
    const texts = [
      '{"b":1,"a":2}',
      '{"a":1,"a":2}',
      '{ "spaced" :  1e2 , "n": 1.0 }',
      '{"u":"\\u00e9é\\ud83d\\ude00","q":"\\"\\\\\\/"}',
      '{"big":12345678901234567890}',
      '[]',
    ]
    await expectUnchanged(...texts.map((attributesJson) => ({ ...anEvent(), attributesJson })))
  })

  test('any event that can exist, in batches and alone', async () => {
    const ids = new Set((await readTrail(whole.owner)).map(({ event }) => event.auditId))
    const unique = (event: AuditEvent): boolean =>
      !ids.has(event.auditId) && ids.add(event.auditId) !== undefined
    await expectUnchanged(...sample(anyEvent, 512).filter(unique))
  })
})

describe('what the database adds', () => {
  test.each([1, 2])('is when, and in which transaction, %i rows were recorded', async (count) => {
    const { owner, sink } = whole
    const events = Array.from({ length: count }, () => anEvent())
    const result = await sink.write(batchOf(...events))
    const { rows } = await owner.query(
      `select (extract(epoch from recorded_at) * 1000000)::bigint as at, recorded_xid, chain_id, block_no, block_index
       from noetl.secret_audit where audit_id = any($1) order by 1`,
      [events.map(({ auditId }) => auditId)],
    )
    expect(rows).toHaveLength(count)
    expect(new Set(rows.map((row) => row.recorded_xid)).size).toBe(1)
    expect(rows.map(({ block_index }) => block_index)).toEqual(Array.from({ length: count }, (_, i) => i))
    if (result.status !== 'committed') throw new Error(result.status)
    expect(Number(rows.at(-1).at)).toBeLessThanOrEqual(result.committedAt)
  })
})

describe('an application that has changed how pg reads types', () => {
  const INT8 = 20
  const BYTEA = 17
  const original = [INT8, BYTEA].map((type) => [type, types.getTypeParser(type)] as const)

  afterEach(() => {
    for (const [type, parser] of original) types.setTypeParser(type, parser)
  })

  test.each([
    ['64-bit integers as numbers', INT8, Number, 4_000_000_000_000_000_001n],
    ['64-bit integers as bigint', INT8, BigInt, 4_000_000_000_000_000_003n],
    ['bytea as text', BYTEA, String, 4_000_000_000_000_000_005n],
  ])('%s: a taken id is still recognised', async (_, type, parser, auditId) => {
    types.setTypeParser(type, parser as unknown as (text: string) => never)
    const event = anEvent({}, { auditId })
    const fresh = new PostgresAuditSink({ databaseUrl: whole.database.url })
    expect(await fresh.write(batchOf(event))).toEqual({
      status: 'committed',
      committedAt: expect.any(Number),
      place: {
        log: expect.stringMatching(/^otel-audit\//),
        chain: expect.stringMatching(/^[0-9a-f]{32}$/),
        block: 1,
      },
    })
    const held = new Map([[auditId, eventDigest(event)]])
    expect(await fresh.write(batchOf(event))).toEqual({ status: 'conflict', held })
    await fresh.close()
  })
})
