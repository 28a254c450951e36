import type { Client } from 'pg'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import type { WriteResult } from '../../src/contract/sink.js'
import type { AuditEvent } from '../../src/event/event.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { HeldTimers } from '../support/held-timers.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

// Faults of the server are acted out by triggers, which the check of the store would refuse.
vi.mock('../../src/postgres/store/judge.js', () => ({ judgeStore: () => [] }))

// Batches whose fate is not known: each case is made by a real server, and each ends with one row, or provably none.

/** No answer is given up before a test says so: its steps are in time, also on a busy machine. */
const ANSWER_MS = 90_000
/** Nor is a caller. */
const DEADLINE_MS = 80_000

let trails: TrailServer
let url: string
let owner: Client
let answers: HeldTimers
let deadlines: HeldTimers

beforeAll(async () => {
  trails = await TrailServer.start()
  answers = new HeldTimers(ANSWER_MS)
  deadlines = new HeldTimers(DEADLINE_MS)
})

afterAll(async () => {
  deadlines.restore()
  answers.restore()
  await trails.close()
})

beforeEach(async () => {
  url = await trails.trail()
  owner = await connect(url)
})

afterEach(() => owner.end())

const stored = async (): Promise<bigint[]> => (await readTrail(owner)).map(({ event }) => event.auditId)

/** Inserts wait until it is called again. */
async function lockTrail(): Promise<() => Promise<void>> {
  const locker = await connect(url)
  await locker.query('begin; lock table noetl.secret_audit in share mode')
  return async () => {
    await locker.query('rollback')
    await locker.end()
  }
}

describe('the sink', () => {
  const applicationName = 'otel-audit doubt'
  let sink: PostgresAuditSink

  /** What is stored when the test begins. */
  let before: readonly bigint[]

  beforeEach(async () => {
    sink = new PostgresAuditSink({ databaseUrl: url, answerTimeoutMs: ANSWER_MS, applicationName })
    // Whatever is made at the first connection is made: a batch is sent at once from now on.
    await sent(anEvent())
    before = await stored()
  })

  afterEach(async () => {
    await sink.close()
    await waitUntil('its sessions to end', async () => (await trails.sessions(applicationName)).length === 0)
  })

  const sent = (event: AuditEvent): Promise<WriteResult> => sink.write(batchOf(event))

  /** Sent, and given up while it waits, as the last of so many sessions that wait. */
  async function givenUp(by: PostgresAuditSink, event: AuditEvent, many = 1): Promise<WriteResult> {
    const writing = by.write(batchOf(event))
    await trails.waiting(applicationName, 'SyncRep', many)
    answers.goOff()
    return await writing
  }

  /** A batch that is sent, of which no more is heard. */
  const unknown = { status: 'unknown', fault: { code: 'AUDIT_TIMEOUT' } }

  test('failed, not stored: the session is terminated before it inserts', async () => {
    const [event, unlock] = [anEvent(), await lockTrail()]
    const writing = sink.write(batchOf(event))
    const { pid } = await trails.waiting(applicationName, 'Lock')
    await trails.server.query('select pg_terminate_backend($1, 10000)', [pid])
    expect(await writing).toMatchObject(unknown)
    await unlock()
    expect(await stored()).toEqual(before)
    expect(await sent(event)).toMatchObject({ status: 'committed' })
    expect(await stored()).toEqual([...before, event.auditId])
  })

  test('failed, but stored: the commit waits for its standby longer than we do', async () => {
    const event = anEvent()
    const letGo = await trails.holdCommits()
    expect(await givenUp(sink, event)).toMatchObject(unknown)
    expect(await stored(), 'absent is no proof').toEqual(before)
    await letGo()
    await waitUntil('the row', async () => (await stored()).length > before.length)
    expect(await sent(event), 'its very block').toMatchObject({
      status: 'committed',
      place: { block: 2 },
    })
  })

  test('failed, but stored much later: a session stopped in its commit, its socket gone, goes on', async () => {
    // The statement is done, and its time-out with it: the commit waits. That for locks would end it.
    await owner.query(`
      create function own() returns trigger language plpgsql set lock_timeout = 0 as
        $$ begin perform pg_advisory_xact_lock(42); return null; end $$;
      create constraint trigger own after insert on noetl.secret_audit deferrable initially deferred
        for each row execute function own()`)
    // The check of the store has seen the trigger, so that no batch has to wait for it.
    await sent(anEvent())
    before = await stored()
    await owner.query('select pg_advisory_lock(42)')
    const event = anEvent()
    const writing = sink.write(batchOf(event))
    const { pid } = await trails.waiting(applicationName, 'advisory')
    process.kill(pid, 'SIGSTOP')
    answers.goOff()
    expect(await writing).toMatchObject(unknown)
    await owner.query('select pg_advisory_unlock(42)')
    expect(await stored(), 'absent is no proof').toEqual(before)
    process.kill(pid, 'SIGCONT')
    await waitUntil('the row', async () => (await stored()).length > before.length)
    expect(await sent(event)).toMatchObject({ status: 'committed', place: { block: 3 } })
    expect(await stored()).toEqual([...before, event.auditId])
  })

  test('written again while the first send is stopped: whichever commits, it is one row', async () => {
    const [event, unlock] = [anEvent(), await lockTrail()]
    const writing = sink.write(batchOf(event))
    const { pid } = await trails.waiting(applicationName, 'Lock')
    process.kill(pid, 'SIGSTOP')
    answers.goOff()
    expect(await writing).toMatchObject(unknown)
    await unlock()
    expect(await sent(event)).toMatchObject({ status: 'committed' })
    process.kill(pid, 'SIGCONT')
    await waitUntil('the first session to end', async () => {
      return !(await trails.sessions(applicationName)).some((session) => session.pid === pid)
    })
    expect(await stored()).toEqual([...before, event.auditId])
  })

  test('refused now, but stored by the send before', async () => {
    const event = anEvent({ credential: 'forbidden from now on' })
    const letGo = await trails.holdCommits()
    expect(await givenUp(sink, event)).toMatchObject(unknown)
    await letGo()
    await waitUntil('the row', async () => (await stored()).includes(event.auditId))
    await owner.query(`
      create function own() returns trigger language plpgsql as $$ begin raise exception 'forbidden'; end $$;
      create trigger own before insert on noetl.secret_audit for each row execute function own()`)
    expect(await sent(event)).toMatchObject({ status: 'committed', place: { block: 2 } })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'refused' })
  })

  test('stored here, and its standby has not confirmed it: the row is there, and is not yet what was asked for', async () => {
    const event = anEvent()
    const other = new PostgresAuditSink({ databaseUrl: url, answerTimeoutMs: ANSWER_MS, applicationName })
    // It has a chain, too.
    await other.write(batchOf(anEvent()))
    const letGo = await trails.holdCommits()
    onTestFinished(letGo)
    expect(await givenUp(sink, event)).toMatchObject(unknown)
    // A crash ends the wait of that commit; who asks for it again still has to wait.
    await owner.end()
    await trails.server.kill()
    await trails.server.start()
    owner = await connect(url)
    expect(await stored()).toContain(event.auditId)
    for (const [i, each] of [sink, other].entries())
      expect(await givenUp(each, event, i + 1)).toMatchObject({ status: 'unknown' })
    await letGo()
    expect(await sent(event)).toMatchObject({ status: 'committed', place: { block: 2 } })
    expect(await other.write(batchOf(event))).toMatchObject({ status: 'conflict' })
    await other.close()
  })

  test.each(['40003', '08007'])('%s: the server says that it does not know', async (code) => {
    await owner.query(`
      create function own() returns trigger language plpgsql as
        $$ begin raise exception 'who knows' using errcode = '${code}'; end $$;
      create trigger own before insert on noetl.secret_audit for each row execute function own()`)
    const event = anEvent()
    expect(await sink.write(batchOf(event))).toMatchObject(unknown)
    await owner.query('drop trigger own on noetl.secret_audit')
    expect(await sent(event)).toMatchObject({ status: 'committed', place: { block: 2 } })
    expect(await stored()).toEqual([...before, event.auditId])
  })

  test('a commit whose wait for the standby was cancelled is unconfirmed', async () => {
    const letGo = await trails.holdCommits()
    const event = anEvent()
    const writing = sink.write(batchOf(event))
    const { pid } = await trails.waiting(applicationName, 'SyncRep')
    await trails.server.query('select pg_cancel_backend($1)', [pid])
    expect(await writing).toEqual({
      status: 'unknown',
      fault: {
        code: 'AUDIT_UNCONFIRMED',
        message: expect.stringMatching(/canceling the wait for synchronous rep|cancel/),
      },
    })
    await letGo()
    expect(await sent(event)).toMatchObject({ status: 'committed', place: { block: 2 } })
  })
})

describe('the exporter', () => {
  let pipeline: TestPipeline

  beforeEach(() => {
    pipeline = openPipeline(url, { answerTimeoutMs: ANSWER_MS })
  })

  afterEach(() => pipeline.finish())

  test('a session that is stopped between send and commit: one row, and the caller gets its answer', async () => {
    const unlock = await lockTrail()
    const events = [pipeline.ledger.strict(), pipeline.ledger.async()]
    const { pid } = await trails.waiting(pipeline.applicationName, 'Lock')
    process.kill(pid, 'SIGSTOP')
    answers.goOff()
    await waitUntil('it to be given up', () => pipeline.watched.writes[0]?.result)
    await unlock()
    expect(await events[0]?.answer).toHaveProperty('committedAt')
    process.kill(pid, 'SIGCONT')
    await waitUntil('the stopped session to end', async () => {
      return !(await trails.sessions(pipeline.applicationName)).some((session) => session.pid === pid)
    })
    expect(await stored()).toHaveLength(2)
  })

  test('a refused caller whose row is stored after all: a second row says that the secret was withheld', async () => {
    await pipeline.ledger.strict().answer
    const letGo = await trails.holdCommits()
    const { answer, fate, event } = pipeline.ledger.strict({ credential: 'held back' }, DEADLINE_MS)
    await trails.waiting(pipeline.applicationName, 'SyncRep')
    deadlines.goOff()
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown', auditId: event.auditId })
    answers.goOff()
    await waitUntil('a send that is given up', () => pipeline.watched.writes[1]?.result)
    expect(pipeline.exporter.stats()).toMatchObject({ written: 1, pending: 1 })
    await letGo()
    expect(await fate).toBe('stored')
    await pipeline.exporter.forceFlush()
    const rows = (await readTrail(owner)).filter((row) => row.event.credential === 'held back')
    expect(rows.map((row) => [row.event.outcome, row.event.attributesJson])).toEqual([
      ['ok', null],
      ['withheld', `{"withheld":"${event.auditId}"}`],
    ])
  })

  test('closing while the fate is unknown says so, and the row is there once if it comes', async () => {
    await pipeline.ledger.strict().answer
    const letGo = await trails.holdCommits()
    const { answer, fate } = pipeline.ledger.strict()
    await trails.waiting(pipeline.applicationName, 'SyncRep')
    const closing = pipeline.exporter.close(100)
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(await fate).toBe('dropped')
    await closing
    await letGo()
    await waitUntil('the row', async () => (await stored()).length === 2)
  })
})
