import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AuditError } from '../../src/errors.js'
import { connect } from '../support/database.js'
import { HeldTimers } from '../support/held-timers.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

/** No answer and no caller is given up before a test says so: its steps are in time, also on a busy machine. */
const ANSWER_MS = 90_000
const DEADLINE_MS = 80_000
const DENIAL = { outcome: 'wrong_region' } as const

let trails: TrailServer
let url: string
let pipeline: TestPipeline
let answers: HeldTimers
let deadlines: HeldTimers

beforeAll(async () => {
  trails = await TrailServer.start({ settings: { recovery_init_sync_method: 'syncfs' } })
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
  pipeline = openPipeline(url, { answerTimeoutMs: ANSWER_MS })
})

afterEach(async () => {
  await pipeline.finish()
  await waitUntil(
    'its sessions to end',
    async () => (await trails.sessions(pipeline.applicationName)).length === 0,
  )
})

const committed = { committedAt: expect.any(Number) }

interface Outage {
  readonly how: string
  /** What was sent is not answered: it is not refused either. */
  readonly isSilent?: boolean
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void> | void
}

/** The deadline of those who have one passes, once the outage was noticed. */
async function deadlinePasses(isSilent = false): Promise<void> {
  await waitUntil('the outage to be noticed', () => {
    if (isSilent) answers.goOff()
    return pipeline.exporter.lastFault
  })
  deadlines.goOff()
}

/** All that can happen to an event while the database is away, from before to after. */
async function throughOutage({ isSilent, begin, end }: Outage): Promise<AuditError> {
  const { ledger, exporter } = pipeline
  await begin()
  const patient = ledger.strict()
  const async = ledger.async()
  const denial = ledger.strict(DENIAL, DEADLINE_MS)
  const release = ledger.strict({}, DEADLINE_MS)
  await deadlinePasses(isSilent)
  const error = (await release.answer) as AuditError
  const answer = await denial.answer
  expect(answer).toHaveProperty('code')
  await end()
  expect(await patient.answer).toMatchObject(committed)
  expect(await async.fate).toBe('stored')
  expect(await denial.fate).toBe('stored')
  expect(await release.fate).toEqual(
    error.row === 'not-stored' ? 'dropped' : expect.stringMatching(/stored|dropped/),
  )
  expect(exporter.metrics.total('strict.denied')).toBe(2)
  return error
}

const stopped = {
  how: 'stopped',
  code: /^AUDIT_UNAVAILABLE$/,
  begin: () => trails.server.stop(),
  end: () => trails.server.start(),
}
const paused = {
  how: 'paused',
  code: /^AUDIT_(UNAVAILABLE|TIMEOUT)$/,
  isSilent: true,
  begin: () => trails.server.pause(),
  end: () => trails.server.resume(),
}
const crashed = { how: 'crashed', begin: () => trails.server.kill(), end: () => trails.server.start() }

describe.each([stopped, paused])('a server that is $how', (outage) => {
  test('before the first connection', async () => {
    const error = await throughOutage(outage)
    expect(error.code).toMatch(outage.code)
    expect(error.row).toBe(error.code === 'AUDIT_TIMEOUT' ? 'unknown' : 'not-stored')
    if (outage.how !== 'paused') expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('while the connection is idle', async () => {
    expect(await pipeline.ledger.strict().answer).toMatchObject(committed)
    const error = await throughOutage(outage)
    expect(error.code).toMatch(/^AUDIT_(UNAVAILABLE|TIMEOUT)$/)
  })
})

describe.each([stopped, paused, crashed])('a server that is $how', ({ how, begin, end }) => {
  test('while callers are at it', async () => {
    const { ledger } = pipeline
    const load = { on: true }
    let granted = 0
    const caller = async (): Promise<void> => {
      while (load.on) {
        const { answer } = ledger.strict({}, 3000)
        ledger.async()
        if ('committedAt' in (await answer)) granted++
      }
    }
    const callers = Array.from({ length: 20 }, caller)
    const receipts = async (more: number): Promise<void> => {
      const goal = granted + more
      await waitUntil('receipts', () => granted >= goal)
    }
    await receipts(40)
    await begin()
    await end()
    await receipts(40)
    load.on = false
    await Promise.all(callers)
    expect(pipeline.exporter.stats().written).toBeGreaterThanOrEqual(80)
  })

  test('while rows are on their way', async () => {
    const locker = await connect(url)
    await locker.query('begin; lock table noetl.secret_audit in share mode')
    const events = [pipeline.ledger.strict(), pipeline.ledger.async()]
    await trails.waiting(pipeline.applicationName, 'Lock')
    await begin()
    if (how === 'paused') answers.goOff()
    await waitUntil('it to be given up', () => pipeline.watched.writes[0]?.result)
    await end()
    await locker.query('rollback').catch(() => {})
    await locker.end().catch(() => {})
    expect(await events[0]?.answer).toMatchObject(committed)
    expect(await events[1]?.fate).toBe('stored')
    expect(pipeline.watched.writes[0]?.result).toMatchObject({
      status: 'unknown',
      fault: { code: 'AUDIT_TIMEOUT' },
    })
  })
})

test('a session that is terminated while its insert waits: the rows are stored once', async () => {
  const locker = await connect(url)
  await locker.query('begin; lock table noetl.secret_audit in share mode')
  const { answer } = pipeline.ledger.strict()
  for (let time = 1; time <= 3; time++) {
    const { pid } = await trails.waiting(pipeline.applicationName, 'Lock')
    await trails.server.query('select pg_terminate_backend($1, 10000)', [pid])
    await waitUntil('it to be noticed', () => pipeline.watched.writes[time - 1]?.result)
  }
  await locker.query('rollback')
  await locker.end()
  expect(await answer).toMatchObject(committed)
  expect(pipeline.watched.writes.slice(0, 3).map(({ result }) => result?.status)).toEqual([
    'unknown',
    'unknown',
    'unknown',
  ])
})

test('a server that shuts down politely, and never lets us back in, is waited for until the deadline', async () => {
  await pipeline.ledger.strict().answer
  const name = new URL(url).pathname.slice(1)
  await trails.server.query(`alter database ${name} with allow_connections false`)
  await trails.server.query(
    'select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1',
    [name],
  )
  const { answer } = pipeline.ledger.strict({}, DEADLINE_MS)
  await deadlinePasses()
  expect(await answer).toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|TIMEOUT/) })
  const later = pipeline.ledger.async()
  await trails.server.query(`alter database ${name} with allow_connections true`)
  expect(await later.fate).toBe('stored')
})
