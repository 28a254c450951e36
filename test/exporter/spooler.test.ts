import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { type SpoolKey, SpoolRefusal } from '../../src/spool/spool.js'
import type { SpoolMode } from '../../src/exporter/spooler.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening } from '../service/telemetry.js'
import { anEvent } from '../support/events.js'
import { FAILED, REFUSED } from '../support/faults.js'
import { Ledger, type Submission } from '../support/ledger.js'
import { recordedRows } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

let away: boolean
let sink: RecordingAuditSink
let spool: MemorySpool
let exporter: DurableAuditExporter
let ledger: Ledger

function start(mode: SpoolMode, its: MemorySpool, options: Partial<DurableAuditExporterOptions> = {}): void {
  sink = new RecordingAuditSink(() => (away ? FAILED : undefined))
  spool = its
  exporter = new DurableAuditExporter({ lingerMs: 0, ...options, sink })
  ledger = new Ledger(exporter)
  exporter.attachSpool(spool, mode)
}

beforeEach(() => {
  away = false
})

afterEach(async () => {
  away = false
  await allSettled()
  await exporter.close(60_000)
  ledger.check(recordedRows(sink))
})

const record = (count: number): Submission[] =>
  Array.from({ length: count }, (_, i) => ledger.async({ credential: `credential-${i}` }))

/** Every event has its fate, also those that were on disk only. */
async function allSettled(): Promise<void> {
  await waitUntil('everything to be stored', async () => {
    await exporter.forceFlush()
    return exporter.stats().pending === 0 && spool.status.entries === 0
  })
}

/** Of how many events the database knows nothing, and memory neither. */
const onDiskOnly = (): number => exporter.stats().spoolOut - exporter.stats().spoolIn

/** The database does not take the first of these. */
async function outage(count: number): Promise<Submission[]> {
  away = true
  const first = record(1)
  await waitUntil('an attempt that was answered', () => exporter.lastFault !== undefined)
  return [...first, ...record(count)]
}

describe('while the database is away', () => {
  test.each(['overflow', 'always'] as const)('all but a few leave memory, by %s', async (mode) => {
    start(mode, new MemorySpool(10_000_000))
    const events = await outage(1000)
    await waitUntil('most of them on disk', () => onDiskOnly() >= 900)
    expect(exporter.stats()).toMatchObject({ emitted: 1001, pending: 1001 - onDiskOnly(), droppedAsync: 0 })
    away = false
    expect(new Set(await Promise.all(events.map(({ fate }) => fate)))).toEqual(new Set(['stored']))
    await waitUntil('an empty spool', () => spool.status.entries === 0)
  })

  test.each([
    ['overflow', 'held in memory'],
    ['always', 'on disk in the spool'],
  ] as const)('it is said where they wait, by %s', async (mode, place) => {
    const said = listening()
    start(mode, new MemorySpool(10_000_000))
    await outage(0)
    expect(said.join('\n')).toContain(`1 audit events wait for the database, ${place}: `)
  })

  test('those that stay find out when it is back, without any new event', async () => {
    start('overflow', new MemorySpool(10_000_000), { batchRows: 100 })
    await outage(500)
    await waitUntil('most of them on disk', () => onDiskOnly() > 0)
    expect(exporter.stats().pending).toBeGreaterThan(0)
    away = false
    await waitUntil('all to be stored', () => sink.events.length === 501)
  })

  test('one comes back to find out, when the last one in memory was a strict one whose time is up', async () => {
    start('overflow', new MemorySpool(10_000_000), { batchRows: 100 })
    const events = await outage(50)
    expect(await ledger.strict({}, 200).answer).toMatchObject({ row: 'not-stored' })
    away = false
    for (const { fate } of events) expect(await fate).toBe('stored')
  })

  test('strict events and their deadlines are as ever', async () => {
    start('overflow', new MemorySpool(10_000_000))
    await outage(200)
    expect(await ledger.strict({}, 50).answer).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored' })
    const denial = ledger.strict({ outcome: 'no_pubkey' }, 50)
    expect(await denial.answer).toMatchObject({ row: 'not-stored' })
    away = false
    expect(await denial.fate).toBe('stored')
  })
})

describe('a spool that is full', () => {
  test('leaves the rest to the queue; beyond it events are dropped, counted, and told in a gap row', async () => {
    start('overflow', new MemorySpool(200_000), { queueRows: 300 })
    const events = await outage(1000)
    const { droppedAsync } = exporter.stats()
    expect(droppedAsync).toBeGreaterThan(500)
    await waitUntil('some of them on disk', () => onDiskOnly() > 50)
    away = false
    const fates = await Promise.all(events.map(({ fate }) => fate))
    expect(fates.filter((fate) => fate === 'stored')).toHaveLength(1001 - droppedAsync)
    await allSettled()
    const gap = await waitUntil('the gap row', () =>
      sink.events.find(({ operation }) => operation === 'audit_gap'),
    )
    expect(JSON.parse(gap.attributesJson ?? '')).toMatchObject({ count: droppedAsync, reason: 'queue_full' })
  })
})

describe('a spool that fails', () => {
  /** Takes events, and then cannot let go of them. */
  class Stuck extends MemorySpool {
    isStuck = true
    override putBack(keys: readonly SpoolKey[]): Promise<void> {
      return this.isStuck
        ? Promise.reject(new SpoolRefusal('unavailable', 'its worker has ended'))
        : super.putBack(keys)
    }
  }

  test('after it has taken events: they stay in memory, and are stored once', async () => {
    const stuck = new Stuck(10_000_000)
    start('overflow', stuck)
    const events = await outage(300)
    await waitUntil('an append', () => stuck.status.entries > 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(onDiskOnly()).toBe(0)
    expect(exporter.stats().pending).toBe(301)
    away = false
    for (const { fate } of events) expect(await fate).toBe('stored')
    expect(sink.events.length).toBe(301)
  })
})

test('what finds no place in memory, and cannot be put back at once, is put back later', async () => {
  /** Fails once. */
  class Hiccup extends MemorySpool {
    isFailing = false
    override putBack(keys: readonly SpoolKey[]): Promise<void> {
      if (!this.isFailing) return super.putBack(keys)
      this.isFailing = false
      return Promise.reject(new SpoolRefusal('unavailable', 'no memory'))
    }
  }
  start('overflow', new MemorySpool(10_000_000))
  const its = new Hiccup(10_000_000)
  await its.putBack(await its.append(Array.from({ length: 60 }, () => anEvent())))
  its.isFailing = true
  const itsSink = new RecordingAuditSink()
  const small = new DurableAuditExporter({ lingerMs: 0, queueRows: 40, sink: itsSink })
  small.attachSpool(its, 'overflow')
  await waitUntil('an empty spool', () => its.status.entries === 0)
  await small.close(60_000)
  expect(its.isFailing).toBe(false)
  expect(itsSink.events).toHaveLength(60)
})

test('what the database refuses is set aside, counted once, and its batch mates are stored', async () => {
  start('overflow', new MemorySpool(10_000_000))
  sink = new RecordingAuditSink(({ entries }) =>
    entries.some(({ event }) => event.credential === 'bad') ? REFUSED : undefined,
  )
  exporter = new DurableAuditExporter({ lingerMs: 0, sink })
  ledger = new Ledger(exporter)
  exporter.attachSpool(spool, 'overflow')
  const [bad, strict, good] = [
    ledger.async({ credential: 'bad' }),
    ledger.strict({ credential: 'bad' }),
    ledger.async(),
  ]
  expect(await bad.fate).toBe('quarantined')
  expect(await strict.fate).toBe('refused')
  expect(await strict.answer).toMatchObject({ code: 'AUDIT_REJECTED', row: 'not-stored' })
  expect(await good.fate).toBe('stored')
  expect(spool.status).toMatchObject({ entries: 0, quarantined: 1 })
})

test('what a closing exporter cannot store is kept, gap rows included; the next one stores it', async () => {
  /** Outlives the exporter, as files do. */
  class Files extends MemorySpool {
    override close(): Promise<void> {
      return Promise.resolve()
    }
  }
  start('overflow', new Files(10_000_000))
  const kept = await outage(10)
  const [release, denial] = [ledger.strict(), ledger.strict({ outcome: 'wrong_region' })]
  await exporter.close(50)
  for (const { answer } of [release, denial]) expect(await answer).toHaveProperty('code')
  expect(await release.fate).toBe('dropped')
  expect(exporter.stats()).toMatchObject({ pending: 0, droppedAsync: 0, failedStrict: 1, spoolOut: 12 })
  expect(exporter.metrics.total('shutdown.abandoned')).toBe(1)

  const nextSink = new RecordingAuditSink()
  const next = new DurableAuditExporter({ sink: nextSink })
  // What the last process had in its hands is nobody's any more.
  await spool.putBack(Array.from({ length: 100 }, (_, key) => key))
  next.attachSpool(spool, 'overflow')
  await waitUntil('an empty spool', () => spool.status.entries === 0)
  await next.close(60_000)
  const ids = [...kept, denial].map(({ event }) => event.auditId)
  const gap = nextSink.events.find(({ operation }) => operation === 'audit_gap')
  expect(nextSink.events.map(({ auditId }) => auditId)).toEqual([...ids, gap?.auditId].sort(ascending))
  expect(JSON.parse(gap?.attributesJson ?? '')).toMatchObject({
    count: 1,
    first: String(release.event.auditId),
  })
})

const ascending = (a: bigint = 0n, b: bigint = 0n): number => (a < b ? -1 : 1)
