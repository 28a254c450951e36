import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SNOWFLAKE_EPOCH_MS } from '../../src/event/snowflake.js'
import { connect } from '../support/database.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { anEvent } from '../support/events.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

// A connection that ends between the send of a batch and the acknowledgement of its commit. Each failure has a twin that
// looks the same from here: "failed, not stored", and "failed, but stored".

let trails: TrailServer
let url: string
let owner: Client
let proxy: CuttingProxy
let pipeline: TestPipeline

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  owner = await connect(url)
  proxy = await CuttingProxy.start(trails.server.port)
  pipeline = openPipeline(proxy.url(url), { answerTimeoutMs: 30_000 })
  // Whatever is made at the first connection is made.
  expect(await pipeline.ledger.strict().answer).toHaveProperty('committedAt')
})

afterEach(async () => {
  proxy.open()
  await pipeline.finish(url)
  await proxy.close()
  await owner.end()
})

const stored = async (): Promise<bigint[]> => (await readTrail(owner)).map(({ event }) => event.auditId)

/** What the sink has said of each write since the first one. */
const results = (): unknown[] => pipeline.watched.writes.slice(1).map(({ result }) => result?.status)

describe.each([
  { half: 'request', twin: 'failed, not stored' },
  { half: 'answer', twin: 'failed, but stored' },
] as const)('the connection ends with the $half: $twin', ({ half }) => {
  test('a strict caller waits while its deadline lasts, and gets its receipt; an async event is stored', async () => {
    proxy.cutNext(half)
    const [strict, async] = [pipeline.ledger.strict(), pipeline.ledger.async()]
    await waitUntil('the write to be given up', () => results()[0])
    expect(results()[0]).toBe('unknown')
    expect(await stored()).toHaveLength(half === 'answer' ? 3 : 1)
    proxy.open()
    expect(await strict.answer).toMatchObject({ auditId: strict.event.auditId })
    expect(await async.fate).toBe('stored')
    // Sent again, or found to be there: it is the same block.
    expect(results().at(-1)).toBe('committed')
    expect(await stored()).toHaveLength(3)
  })

  test('a strict caller whose deadline passes is told that it is unknown; one row, and one that says withheld', async () => {
    proxy.cutNext(half)
    const { answer, fate, event } = pipeline.ledger.strict({}, 300)
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown', auditId: event.auditId })
    proxy.open()
    expect(await fate).toBe('stored')
    await pipeline.exporter.forceFlush()
    const rows = (await readTrail(owner)).filter((row) => row.event.executionId === event.executionId)
    expect(rows.map((row) => row.event.outcome)).toEqual(['ok', 'withheld'])
  })
})

test.each(['request', 'answer'] as const)(
  'the connection ends with the %s of a row for which there can be no partition: it gets another id, and others go on',
  async (half) => {
    proxy.cutNext(half)
    const longAgo = Date.parse('2024-03-01')
    const auditId = BigInt(longAgo - SNOWFLAKE_EPOCH_MS) << 22n
    const old = pipeline.ledger.submit(anEvent({}, { auditId, occurredAt: longAgo * 1000 }), 'async')
    await waitUntil('the write to be given up', () => results()[0])
    proxy.open()
    expect(await old.fate).toBe('stored')
    const after = pipeline.ledger.strict()
    expect(await after.answer).toHaveProperty('committedAt')
    expect(await stored()).not.toContain(auditId)
  },
)

describe('a commit that waits for a synchronous standby that is missing', () => {
  test.each([
    ['cancelled: success, with a warning', 'pg_cancel_backend($1)'],
    ['and its session is terminated: a warning, and no answer', 'pg_terminate_backend($1)'],
  ])('%s: unconfirmed, the row is found, and one that says withheld', async (_, end) => {
    const letGo = await trails.holdCommits()
    const [strict, async] = [pipeline.ledger.strict(), pipeline.ledger.async()]
    const { pid } = await trails.waiting(pipeline.applicationName, 'SyncRep')
    await trails.server.query(`select ${end}`, [pid])
    expect(await strict.answer).toMatchObject({ code: 'AUDIT_UNCONFIRMED', row: 'unknown' })
    proxy.open()
    await letGo()
    expect([await strict.fate, await async.fate]).toEqual(['stored', 'stored'])
    await pipeline.exporter.forceFlush()
    expect(results()[0]).toBe('unknown')
    expect((await readTrail(owner)).map(({ event }) => event.outcome).sort()).toEqual([
      'ok',
      'ok',
      'ok',
      'withheld',
    ])
  })
})

test('a server that is restarted again and again in mid-batch: every event once', async () => {
  const load = { on: true }
  const callers = Array.from({ length: 16 }, async () => {
    while (load.on) {
      pipeline.ledger.async()
      await pipeline.ledger.strict({}, 60_000).answer
    }
  })
  for (const mode of ['fast', 'immediate', 'fast'] as const) {
    const before = pipeline.exporter.stats().written
    await waitUntil('rows', () => pipeline.exporter.stats().written > before + 50)
    await trails.server.restart(mode)
  }
  load.on = false
  await Promise.all(callers)
  await owner.end().catch(() => {})
  owner = await connect(url)
  expect(pipeline.exporter.stats()).toMatchObject({ failedStrict: 0, droppedAsync: 0 })
})
