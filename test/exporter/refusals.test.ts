import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Receipt } from '../../src/contract/receipt.js'
import type { AuditError } from '../../src/errors.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent } from '../support/events.js'
import type { Submission } from '../support/ledger.js'
import { openPipeline, type TestPipeline, writerLogin } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { idAt } from '../postgres/adopt/original-table.js'

// Faults of the server are acted out by triggers, which the check of the store would refuse.
vi.mock('../../src/postgres/store/judge.js', () => ({ judgeStore: () => [] }))

let database: TestDatabase
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>
let pipeline: TestPipeline

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  writer = await writerLogin(database.url)
  pipeline = openPipeline(writer.url)
})

afterEach(async () => {
  await pipeline.finish(database.url)
  await writer.drop()
  await owner.end()
  await database.drop()
})

/** As a process does that starts again. */
async function reopen(options: Parameters<typeof openPipeline>[1] = {}): Promise<void> {
  await pipeline.finish(database.url)
  pipeline = openPipeline(writer.url, options)
  for (const { event } of await readTrail(owner)) pipeline.ledger.expectStranger(event)
}

const rejected = { code: 'AUDIT_REJECTED', row: 'not-stored' }
const committed = { committedAt: expect.any(Number) }

/** A trigger of the owner's on every new row. */
async function onInsert(body: string, when = `new.credential = 'bad'`): Promise<void> {
  await owner.query(`
    create function public.own() returns trigger language plpgsql as $$ begin ${body}; return new; end $$;
    create trigger own before insert on noetl.secret_audit for each row when (${when}) execute function public.own()`)
}

describe('one row that the database refuses', () => {
  const causes: [string, string, () => Promise<unknown>][] = [
    [
      'a check constraint',
      '23514',
      () => owner.query(`alter table noetl.secret_audit add constraint no_bad check (credential <> 'bad')`),
    ],
    ['an exception of a trigger', 'P0001', () => onInsert(`raise exception 'not %', new.notes`)],
    ['one with a code of its own', 'AU001', () => onInsert(`raise exception 'no' using errcode = 'AU001'`)],
    ['a trigger that quietly leaves it out', '22012', () => onInsert('return null')],
    [
      'a unique index of the owner’s',
      '',
      async () => {
        const { rows } = await owner.query(
          `select noetl.secret_audit_ensure_partition_for($1), tableoid::regclass
          from noetl.secret_audit_migration limit 1`,
          [idAt(Date.now()).toString()],
        )
        expect(rows).toHaveLength(1)
        const partition = `secret_audit_${monthOf(0)}`
        await owner.query(`create unique index on noetl.${partition} (credential) where credential = 'bad'`)
        await pipeline.ledger.strict({ credential: 'bad' }).answer
      },
    ],
  ]

  test.each(causes)('by %s: it alone fails, its batch mates are committed', async (_, sqlState, cause) => {
    await cause()
    const mates = Array.from({ length: 6 }, () => pipeline.ledger.strict())
    const bad = pipeline.ledger.strict({ credential: 'bad', notes: 'canary-3ab1' })
    const badAsync = pipeline.ledger.async({ credential: 'bad' })
    mates.push(pipeline.ledger.strict(), pipeline.ledger.async())
    const error = (await bad.answer) as AuditError
    expect(error).toMatchObject(rejected)
    if (sqlState !== '') expect(error.cause).toMatchObject({ code: sqlState })
    expect(error.message).not.toContain('canary')
    expect(await badAsync.fate).toBe('refused')
    expect(await Promise.all(mates.map(({ fate }) => fate))).toEqual(mates.map(() => 'stored'))
  })
})

/** `y2026m03`: the month so many months from now. */
function monthOf(ahead: number): string {
  const now = new Date()
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead))
  return `y${month.getUTCFullYear()}m${String(month.getUTCMonth() + 1).padStart(2, '0')}`
}

/** An event in the middle of a month. */
function eventIn(ahead: number): ReturnType<typeof anEvent> {
  const now = new Date()
  const time = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 15)
  return anEvent({}, { auditId: idAt(time, Math.floor(Math.random() * 4_000_000)), occurredAt: time * 1000 })
}

const submit = (...events: ReturnType<typeof anEvent>[]): Submission[] =>
  events.map((event) => pipeline.ledger.submit(event, 'strict', 60_000))

/** A partition of a month of long ago: those between it and now are inside the kept range, and missing. */
async function keepFrom(ahead: number): Promise<void> {
  const now = new Date()
  const [from, to] = [ahead, ahead + 1].map((month) =>
    idAt(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month)),
  )
  await owner.query(
    `create table noetl.secret_audit_${monthOf(ahead)} partition of noetl.secret_audit for values from (${from}) to (${to})`,
  )
}

describe('no partition for an id', () => {
  beforeEach(async () => {
    // So that nothing of what follows is made by the first connection.
    await pipeline.ledger.strict().answer
    await keepFrom(-7)
  })

  test('inside the kept range: it is made on the fly, and the batch is written', async () => {
    const events = submit(eventIn(-4), eventIn(-5), eventIn(-6), eventIn(0))
    for (const { answer, event } of events)
      expect(await answer).toMatchObject({ ...committed, auditId: event.auditId })
  })

  test('outside of it: that event alone gets an id of the database’s time', async () => {
    const ancient = anEvent({}, { auditId: 5n })
    const far = eventIn(20)
    const [first, good, last] = submit(ancient, eventIn(0), far) as [Submission, Submission, Submission]
    expect(await good.answer).toMatchObject({ ...committed, auditId: good.event.auditId })
    for (const { answer, event } of [first, last]) {
      const receipt = (await answer) as Receipt
      expect(receipt).toMatchObject(committed)
      expect(receipt.auditId).not.toBe(event.auditId)
      const apart = snowflakeTime(receipt.auditId) - receipt.committedAt / 1000
      expect(Math.abs(apart)).toBeLessThanOrEqual(3_600_000)
    }
    expect(pipeline.exporter.metrics.total('records.rekeyed')).toBe(2)
  })

  test('a partition that cannot be made at the moment is no reason to refuse the event', async () => {
    await reopen({ answerTimeoutMs: 1000 })
    await pipeline.ledger.strict().answer
    const maintenance = await connect(database.url)
    // As VACUUM takes it: in the way of attaching a partition, and of no insert.
    await maintenance.query('begin; lock table noetl.secret_audit in share update exclusive mode')
    const [event] = submit(eventIn(-4)) as [Submission]
    await expect
      .poll(() =>
        pipeline.watched.writes.some(({ result }) => result !== undefined && result.status === 'failed'),
      )
      .toBe(true)
    await maintenance.query('rollback')
    await maintenance.end()
    expect(await event.answer).toMatchObject(committed)
  })

  test('a role that may not make partitions is told so, and the event waits', async () => {
    await owner.query(
      'revoke execute on function noetl.secret_audit_ensure_partition_for(bigint) from noetl_audit_writer',
    )
    const async = pipeline.ledger.submit(eventIn(-4), 'async')
    const [event] = submit(eventIn(-4)) as [Submission]
    expect(await event.answer).toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      row: 'not-stored',
      cause: { code: '42501' },
    })
    await owner.query(
      'grant execute on function noetl.secret_audit_ensure_partition_for(bigint) to noetl_audit_writer',
    )
    expect(await async.fate).toBe('stored')
  })
})

describe('a warning that comes with the commit', () => {
  test('and is not that of the wait for a standby, changes nothing: one row, and its receipt', async () => {
    await onInsert(`raise warning 'may not have been replicated'`, `new.credential = 'warned'`)
    const { answer, fate, event } = pipeline.ledger.strict({ credential: 'warned' })
    expect(await answer).toMatchObject(committed)
    expect(await fate).toBe('stored')
    await pipeline.exporter.forceFlush()
    const rows = (await readTrail(owner)).filter((row) => row.event.executionId === event.executionId)
    expect(rows.map((row) => row.event.outcome)).toEqual(['ok'])
  })

  test('that came with a statement that was refused says nothing about the next', async () => {
    await onInsert(`raise warning 'bad'; raise exception 'bad'`)
    expect(await pipeline.ledger.strict({ credential: 'bad' }).answer).toMatchObject(rejected)
    expect(await pipeline.ledger.strict().answer).toMatchObject(committed)
  })

  test('that came with the log-in says nothing about a commit', async () => {
    await pipeline.ledger.strict().answer
    await owner.query(`update pg_database set datcollversion = '0.0' where datname = current_database()`)
    await reopen()
    expect(await pipeline.ledger.strict().answer).toMatchObject(committed)
  })
})
