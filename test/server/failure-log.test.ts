import { diag, DiagLogLevel } from '@opentelemetry/api'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { FailureLog } from '../../src/server/failure-log.js'
import { connect, migratedDatabase } from '../support/database.js'
import { PATH, served } from './served.js'

const SECOND = 1000
const MINUTE = 60 * SECOND
const AWAY = new AuditError('AUDIT_READ_FAILED', 'the trail cannot be read', {
  cause: new Error('connect ECONNREFUSED'),
})
const REQUEST = 'a request failed'
const RECORD = 'a read of the trail could not be recorded, and nothing was shown'

let lines: string[]

beforeEach(() => {
  lines = []
  const log = (...words: readonly unknown[]): void => void lines.push(words.map(String).join(' '))
  diag.setLogger({ error: log, warn: log, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN)
  onTestFinished(() => diag.disable())
})

describe('a failure that goes on', () => {
  it('is said at once, and then with pauses that grow from ten seconds to five minutes', () => {
    const log = new FailureLog()
    const saidAt: number[] = []
    for (let at = 0; at <= 30 * MINUTE; at += SECOND) {
      const before = lines.length
      log.failed(REQUEST, AWAY, at)
      if (lines.length > before) saidAt.push(at / SECOND)
    }
    expect(saidAt).toEqual([0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510])
    expect(lines[0]).toBe(
      'otel-audit: a request failed: AUDIT_READ_FAILED: the trail cannot be read: connect ECONNREFUSED',
    )
    expect(lines[1]).toMatch(/ECONNREFUSED \(and 9 times more since\)$/)
    expect(lines.at(-1)).toMatch(/\(and 299 times more since\)$/)
  })

  it('as often as a probe asks', () => {
    const log = new FailureLog()
    for (let at = 0; at <= 10 * MINUTE; at += 10 * SECOND) log.failed(REQUEST, AWAY, at)
    expect(lines).toHaveLength(6)
  })

  it('begins anew where it had ended', () => {
    const log = new FailureLog()
    for (const at of [0, 10, 30, 70]) log.failed(REQUEST, AWAY, at * SECOND)
    for (const at of [1000, 1009, 1010]) log.failed(REQUEST, AWAY, at * SECOND)
    expect(lines).toHaveLength(6)
    expect(lines[4]).toMatch(/ECONNREFUSED$/)
  })

  it('does not keep others from being said, and a hundred are remembered', () => {
    const log = new FailureLog()
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 101; i++) log.failed('an export broke off', new Error(`reason ${i}`), round)
    }
    expect(lines).toHaveLength(202)
    log.failed('an export broke off', new Error('reason 100'), 2)
    expect(lines).toHaveLength(202)
  })
})

describe('that it is over', () => {
  it('is said once, with what it was', () => {
    const log = new FailureLog()
    log.worked(REQUEST, 0)
    expect(lines).toEqual([])
    for (let i = 0; i < 5; i++) log.failed(REQUEST, AWAY, i * SECOND)
    log.worked(REQUEST, 13.5 * SECOND)
    log.worked(REQUEST, 14 * SECOND)
    expect(lines.slice(1)).toEqual(['otel-audit: requests are answered again: 5 had failed, within 14 s'])
  })

  it('is not said of what nobody had been told', () => {
    const log = new FailureLog()
    for (let i = 0; i < 8; i++) {
      log.failed(REQUEST, AWAY, i * SECOND)
      log.worked(REQUEST, i * SECOND + 1)
    }
    expect(lines).toHaveLength(2)
  })

  it('is not said of a request that failed by itself', () => {
    const log = new FailureLog()
    log.failed(REQUEST, new AuditError('AUDIT_READ_TIMEOUT', 'took too long'), 0)
    log.failed(REQUEST, new Error('a bug'), 0)
    log.failed('the end of an export could not be recorded', AWAY, 0)
    log.worked(REQUEST, 1)
    expect(lines).toHaveLength(3)
  })

  it('of reading and of recording each by itself', () => {
    const log = new FailureLog()
    log.failed(RECORD, AWAY, 0)
    log.worked(REQUEST, 1)
    expect(lines).toHaveLength(1)
    log.worked(RECORD, 2)
    expect(lines[1]).toContain('reads are recorded again: 1 had failed')
  })
})

it('a server says that it answers again, when it does', async () => {
  const database = await migratedDatabase()
  onTestFinished(() => database.drop())
  const owner = await connect(database.url)
  onTestFinished(() => owner.end())
  const { get } = await served(database.url)
  await owner.query('alter table noetl.secret_audit rename to away')
  expect((await get('/readyz', {})).status).toBe(503)
  expect((await get(PATH)).status).toBe(503)
  await owner.query('alter table noetl.away rename to secret_audit')
  expect((await get('/readyz', {})).status).toBe(200)
  expect((await get('/readyz', {})).status).toBe(200)
  const about = lines.filter((line) => line.includes('request'))
  expect(about.at(-1)).toMatch(/requests are answered again: 2 had failed, within \d+ s$/)
  expect(about.filter((line) => line.includes('again'))).toHaveLength(1)
})
