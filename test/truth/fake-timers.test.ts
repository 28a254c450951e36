import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import { Operation } from '../../src/event/vocabulary.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'

// Fake timers and clocks of a test runner change nothing about a record.

const real = Date.now
const access = { credential: 'orders-db', operation: Operation.GetCredential } as const
const EVERYTHING = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
  'queueMicrotask',
] as const

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

afterEach(() => void vi.useRealTimers())

const ways: readonly [string, () => unknown][] = [
  ['the defaults of Vitest', () => vi.useFakeTimers()],
  ['everything', () => vi.useFakeTimers({ toFake: [...EVERYTHING] })],
  ['everything, in 1985', () => vi.useFakeTimers({ toFake: [...EVERYTHING], now: 5e11 })],
  ...EVERYTHING.map((name): [string, () => unknown] => [name, () => vi.useFakeTimers({ toFake: [name] })]),
]

describe.each(ways)('with fakes of %s', (_, fake) => {
  it.each(['before', 'after'])("README's test works, made %s the pipeline", async (when) => {
    if (when === 'before') fake()
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    if (when === 'after') fake()
    expect(await audit.service.guard(access, () => 'canary')).toBe('canary')
    await audit.flush()
    const receipt = await audit.service.recordStrict({ ...access, outcome: 'ok' })
    await audit.close()
    expect(sink.events.map(({ credential, outcome }) => `${credential} ${outcome}`)).toEqual(
      Array(2).fill('orders-db ok'),
    )
    for (const ms of [snowflakeTime(receipt.auditId), (sink.events[0]?.occurredAt ?? 0) / 1000])
      expect(Math.abs(ms - real())).toBeLessThan(600_000)
  })
})

it.each(ways)('Postgres stores with fakes of %s', async (_, fake) => {
  const audit = createAudit({ sink: new PostgresAuditSink({ databaseUrl: database.url }) })
  fake()
  const receipt = await audit.service.recordStrict({ ...access, outcome: 'ok' })
  expect(Math.abs(snowflakeTime(receipt.auditId) - receipt.committedAt / 1000)).toBeLessThan(600_000)
  await audit.close()
})

it('deadlines run in real time', async () => {
  const sink = new RecordingAuditSink(() => new Promise(() => {}))
  const audit = createAudit({ sink, deadlineMs: 50 })
  vi.useFakeTimers({ toFake: [...EVERYTHING] })
  await expect(audit.service.recordStrict({ ...access, outcome: 'ok' })).rejects.toMatchObject({
    code: 'AUDIT_TIMEOUT',
  })
  void audit.close({ timeoutMs: 10 })
})

it('globals that throw, or are gone, change nothing', async () => {
  const program = `
    import { createAudit, RecordingAuditSink } from 'otel-audit'
    for (const name of ['setTimeout', 'setImmediate', 'clearTimeout', 'queueMicrotask', 'setInterval'])
      globalThis[name] = () => { throw new Error(name) }
    Date.now = () => NaN
    performance.now = () => NaN
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    const fields = { credential: 'c', operation: 'get_credential', outcome: 'ok' }
    audit.service.recordAsync(fields)
    await audit.service.recordStrict(fields)
    await audit.close()
    process.stdout.write(String(sink.events.length))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(packageRoot()),
  })
  expect(stdout).toBe('2')
})
