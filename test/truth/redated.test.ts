import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuditBatch, AuditSink, SinkOwner, WriteResult } from '../../src/contract/sink.js'
import { Ticket } from '../../src/contract/ticket.js'
import type { AuditEvent } from '../../src/event/event.js'
import { firstIdOf, snowflakeTime } from '../../src/event/snowflake.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'
import { verifiedTrail } from '../support/verified.js'

// An event whose id has no place in the store gets one of the store's time. Whoever sends it again, and whenever: it is once
// in the trail.

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
let database: TestDatabase
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  writer = await writerLogin(database.url)
})

afterEach(async () => {
  await writer.drop()
  await owner.end()
  await database.drop()
})

/** The login of the writer role, in the database of now. */
function asWriter(): string {
  const url = new URL(writer.url)
  url.pathname = new URL(database.url).pathname
  return url.href
}

/** The store, at another hour: only what it says about its time is moved. */
class LaterSink implements AuditSink {
  readonly sinkId = 'db'
  readonly #sink = new PostgresAuditSink({ databaseUrl: asWriter() })
  readonly #laterMs: number
  readonly #losesAnswers: boolean
  stored = 0

  constructor(laterMs: number, losesAnswers: boolean) {
    this.#laterMs = laterMs
    this.#losesAnswers = losesAnswers
  }

  attach(writer: SinkOwner): void {
    this.#sink.attach(writer)
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    const result = await this.#sink.write(batch)
    if (result.status === 'committed') {
      this.stored += batch.entries.length
      const fault = { code: 'AUDIT_TIMEOUT', message: 'the answer was lost' } as const
      if (this.#losesAnswers) return { status: 'unknown', fault }
      return { ...result, committedAt: result.committedAt + this.#laterMs * 1000 }
    }
    if (result.status !== 'refused' || result.misdatedAt === undefined) return result
    return { ...result, misdatedAt: result.misdatedAt + this.#laterMs }
  }

  close(): Promise<void> {
    return this.#sink.close()
  }
}

/** A process that reads these events from a spool, stores them, and gets no answer before it dies. */
async function dies(events: readonly AuditEvent[], laterMs = 0): Promise<void> {
  const sink = new LaterSink(laterMs, true)
  const exporter = new DurableAuditExporter({ sink, lingerMs: 1, batchRows: 100 })
  for (const event of events) submit(exporter, event)
  await expect.poll(() => sink.stored, { timeout: 30_000 }).toBe(events.length)
  await exporter.close(0)
}

/** The next process takes its spool over, hours later. */
async function replays(events: readonly AuditEvent[], laterMs: number): Promise<void> {
  const exporter = new DurableAuditExporter({ sink: new LaterSink(laterMs, false), lingerMs: 1 })
  const spool = new MemorySpool()
  await spool.putBack(await spool.append(events))
  // It tells the time of the store.
  submit(exporter, anEvent({ credential: 'clock' }))
  await exporter.forceFlush()
  exporter.attachSpool(spool, 'overflow')
  await expect.poll(() => spool.status.entries, { timeout: 30_000 }).toBe(0)
  await exporter.close(30_000)
  expect(exporter.stats()).toMatchObject({ written: events.length + 1, droppedAsync: 0, quarantined: 0 })
}

function submit(exporter: DurableAuditExporter, event: AuditEvent): void {
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(event)
  exporter.submit(ticket)
}

/** How often each of these is in the trail, by their executions, which differ. */
async function counts(events: readonly AuditEvent[]): Promise<readonly number[]> {
  const { rows } = await owner.query<{ execution: string; count: number }>(
    `select execution_id::text as execution, count(*)::int as count from noetl.secret_audit group by 1`,
  )
  const found = new Map(rows.map(({ execution, count }) => [execution, count]))
  expect((await verifiedTrail(database.url)).found).toEqual([])
  return events.map(({ executionId }) => found.get(String(executionId)) ?? 0)
}

const dated = (unixMs: number, occurredMs = unixMs): AuditEvent =>
  anEvent({}, { auditId: firstIdOf(unixMs) | 4711n, occurredAt: Math.floor(occurredMs * 1000) })

const now = (): number => Date.now()

describe('an event that was stored under an id of another time, by a process that died of it', () => {
  it.each([
    ['from a clock that is two days ahead', () => dated(now() + 2 * DAY_MS)],
    ['from a clock that is thirty years ahead', () => dated(Date.UTC(2056, 1, 29))],
    ['from a clock that was never set', () => dated(Date.UTC(2024, 0, 1))],
    ['with a time before all ids', () => dated(Date.UTC(2024, 0, 1), Date.UTC(1970, 0, 1))],
    ['with an id of the future, and a time of now', () => dated(now() + 3 * DAY_MS, now())],
    ['with an id of the past, and a time of an hour ago', () => dated(Date.UTC(2025, 0, 1), now() - HOUR_MS)],
    [
      'with an id of the past, and a time of the hour to come',
      () => dated(Date.UTC(2025, 0, 1), now() + HOUR_MS),
    ],
  ])('%s: is once in the trail, in whatever later hour it is sent again', async (_, make) => {
    const event = make()
    await dies([event])
    expect(await counts([event])).toEqual([1])
    for (const hours of [0, 1, 2, 7, 20]) await replays([event], hours * HOUR_MS)
    expect(await counts([event])).toEqual([1])
  })

  it('is once, among hundreds of its kind with one time', async () => {
    const time = Date.UTC(2024, 0, 1)
    const events = Array.from({ length: 300 }, (_, n) =>
      anEvent({}, { auditId: firstIdOf(time) + BigInt(n), occurredAt: time * 1000 }),
    )
    await dies(events.slice(0, 150))
    await replays(events, 5 * HOUR_MS)
    expect(new Set(await counts(events))).toEqual(new Set([1]))
  })

  it('is once when its id can be stored by then', async () => {
    const event = dated(now() + 25 * HOUR_MS)
    await dies([event])
    // The server's clock is not ours to move: the bound stands for it.
    const { rows } = await owner.query<{ definition: string }>(
      `select pg_get_constraintdef(oid) as definition from pg_constraint
       where conrelid = 'noetl.secret_audit'::regclass and conname = 'secret_audit_not_ahead'`,
    )
    await owner.query('alter table noetl.secret_audit drop constraint secret_audit_not_ahead')
    await replays([event], 3 * HOUR_MS)
    await owner.query(
      `alter table noetl.secret_audit add constraint secret_audit_not_ahead ${rows[0]?.definition}`,
    )
    expect(await counts([event])).toEqual([1])
  })

  it('is once when its own id could be stored at first', async () => {
    const event = dated(now() - HOUR_MS)
    await dies([event])
    // By the store of the replay the id lies in the future.
    await replays([event], -48 * HOUR_MS)
    expect(await counts([event])).toEqual([1])
  })

  it('is once when a squatter had taken the id that it got at first', async () => {
    const event = dated(now() + 40 * DAY_MS)
    const other = { ...event, executionId: 1n }
    await dies([event])
    const { rows } = await owner.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit where execution_id = ${event.executionId}`,
    )
    expect(rows).toHaveLength(1)
    // As if that row had been there first: the event is replayed to another trail, where its id of that hour is taken.
    const second = await migratedDatabase()
    const squatted = await connect(second.url)
    try {
      await squatted.query(`insert into noetl.secret_audit (audit_id, credential, operation, outcome, execution_id)
        values (${rows[0]?.id}, 'c', 'o', 'ok', ${other.executionId})`)
      const first = database
      database = second
      await dies([event])
      await replays([event], 6 * HOUR_MS)
      database = first
      const { rows: found } = await squatted.query(
        `select from noetl.secret_audit where execution_id = ${event.executionId}`,
      )
      expect(found).toHaveLength(1)
    } finally {
      await squatted.end()
      await second.drop()
    }
  })
})

describe('a row that only looks like it', () => {
  const squats = async (event: AuditEvent, columns: string, values: string, count = 1): Promise<void> => {
    await owner.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, execution_id,
         original_audit_id${columns})
       select ${firstIdOf(now())} + n, 'epoch'::timestamptz + ${event.occurredAt} * interval '1 microsecond',
         '${event.credential}', '${event.operation}', '${event.outcome}', -1, ${event.auditId}${values}
       from generate_series(1, ${count}) as n`,
    )
  }

  it.each([
    ['has no digest', '', '', 1],
    ['has a digest of its own', ', event_digest', `, sha256('x')`, 1],
    ['has a digest that is none', ', event_digest', `, '\\x00'`, 1],
    ['is there thirty thousand times', ', event_digest', `, sha256('x')`, 30_000],
  ])('%s: does not keep the event from the trail', async (_, columns, values, count) => {
    const event = dated(now() + 30 * DAY_MS)
    await squats(event, columns, values, count)
    await replays([event], 0)
    const { rows } = await owner.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit where execution_id = ${event.executionId}`,
    )
    expect(rows).toHaveLength(1)
    expect(Math.abs(snowflakeTime(BigInt(rows[0]?.id ?? 0)) - now())).toBeLessThan(DAY_MS)
  })

  it('another event with the same first id is not the same event', async () => {
    const time = now() + 30 * DAY_MS
    const events = [dated(time), dated(time), dated(time)]
    expect(new Set(events.map(({ auditId }) => auditId)).size).toBe(1)
    await dies(events.slice(0, 1))
    await replays(events, 2 * HOUR_MS)
    expect(await counts(events)).toEqual([1, 1, 1])
  })
})
