import { beforeEach, describe, expect, test, vi } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { FAILED, LASTING, UNKNOWN } from '../support/faults.js'
import { Ledger, type Submission } from '../support/ledger.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { recordedRows } from '../support/trail.js'
import { WatchedSink } from '../support/watched-sink.js'

let sink: SteppedSink
let watched: WatchedSink
let exporter: DurableAuditExporter
let ledger: Ledger

function start(options: Partial<DurableAuditExporterOptions> = {}): void {
  sink = new SteppedSink()
  watched = new WatchedSink(sink)
  exporter = new DurableAuditExporter({ lingerMs: 60_000, ...options, sink: watched })
  ledger = new Ledger(exporter)
}

beforeEach(() => start())

function checkAll(): void {
  expect(exporter.stats().pending).toBe(0)
  ledger.check(recordedRows(sink))
  expect(watched.breaches).toEqual([])
}

const fates = (submissions: readonly Submission[]) => Promise.all(submissions.map(({ fate }) => fate))

describe('close', () => {
  test('stores what waits, without lingering, and closes the sink', async () => {
    const events = [ledger.async(), ledger.async(), ledger.strict()]
    sink.letGo()
    await exporter.close(60_000)
    expect(await fates(events)).toEqual(['stored', 'stored', 'stored'])
    expect(exporter.metrics.total('shutdown.abandoned')).toBe(0)
    checkAll()
  })

  test('is done once, whoever asks and however often', async () => {
    const closing = vi.spyOn(sink, 'close')
    sink.letGo()
    await Promise.all([exporter.close(60_000), exporter.close(0), exporter.shutdown()])
    await exporter.close(60_000)
    expect(closing).toHaveBeenCalledTimes(1)
  })

  test('of an exporter that was never used closes the sink', async () => {
    const closing = vi.spyOn(sink, 'close')
    await exporter.shutdown()
    expect(closing).toHaveBeenCalledTimes(1)
    checkAll()
  })

  test('refuses what is recorded after it, also while it is still storing', async () => {
    const before = ledger.async()
    const closing = exporter.close(60_000)
    const { store } = await sink.next()
    const after = [ledger.strict(), ledger.strict({ outcome: 'no_pubkey' }), ledger.async()]
    expect(await after[0]?.answer).toMatchObject({ code: 'AUDIT_CLOSED', row: 'not-stored' })
    sink.letGo()
    store()
    await closing
    after.push(ledger.strict(), ledger.async())
    expect(await after[3]?.answer).toMatchObject({ code: 'AUDIT_CLOSED' })
    expect(await fates(after)).toEqual(after.map(() => 'dropped'))
    expect(await before.fate).toBe('stored')
    expect(exporter.metrics.total('shutdown.abandoned')).toBe(0)
    checkAll()
  })
})

describe('a time to close in', () => {
  test.each([Number.POSITIVE_INFINITY, 2 ** 31])('of %s ms is not over at once', async (ms) => {
    const { fate } = ledger.async()
    const closing = exporter.close(ms)
    const { store } = await sink.next()
    await sleep(20)
    store()
    await closing
    expect(await fate).toBe('stored')
    checkAll()
  })

  test.each([Number.NaN, -1])('of %s ms is none, and nothing is closed', async (ms) => {
    const { fate } = ledger.async()
    await expect(exporter.close(ms)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'deadlineMs',
    })
    sink.letGo()
    await exporter.close(60_000)
    expect(await fate).toBe('stored')
    checkAll()
  })
})

describe('a sink that cannot be closed', () => {
  test('keeps nothing from its end: callers are told, the spool has the rest, and is closed', async () => {
    const spool = new MemorySpool(1_000_000)
    exporter.attachSpool(spool, 'overflow')
    vi.spyOn(sink, 'close').mockRejectedValue(new Error('no file descriptor'))
    void exporter.holdUntil(new Promise(() => {}))
    const [strict] = [ledger.strict(), ledger.async()]
    await exporter.close(20)
    expect(await strict.answer).toMatchObject({ code: 'AUDIT_CLOSED', row: 'not-stored' })
    expect(await strict.fate).toBe('dropped')
    expect(exporter.stats()).toMatchObject({ spoolOut: 1, failedStrict: 1, pending: 0 })
    await expect(spool.next(1)).rejects.toMatchObject({ reason: 'unavailable' })
    checkAll()
  })
})

describe('at its deadline', () => {
  test('what is in flight is unknown, what waits is not stored, and all is counted', async () => {
    const inFlight = [ledger.strict(), ledger.async()]
    await sink.next()
    const waiting = [
      ledger.strict(),
      ledger.strict({ outcome: 'wrong_region' }),
      ledger.async(),
      ledger.async(),
    ]
    await exporter.close(20)
    expect(await inFlight[0]?.answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(await waiting[0]?.answer).toMatchObject({ code: 'AUDIT_CLOSED', row: 'not-stored' })
    expect(await waiting[1]?.answer).toMatchObject({ code: 'AUDIT_CLOSED' })
    const all = [...inFlight, ...waiting]
    expect(await fates(all)).toEqual(all.map(() => 'dropped'))
    expect(exporter.metrics.total('shutdown.abandoned')).toBe(6)
    expect(exporter.stats()).toMatchObject({
      emitted: 6,
      written: 0,
      failedStrict: 3,
      droppedAsync: 3,
      pending: 0,
    })
    checkAll()
  })

  test('a caller whose own deadline passes before the sink has closed is told the same', async () => {
    const { answer, fate } = ledger.strict({}, 100)
    await sink.next()
    const closeSink = sink.close.bind(sink)
    vi.spyOn(sink, 'close').mockImplementation(async () => {
      await closeSink()
      await answer
    })
    await exporter.close(0)
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(await fate).toBe('dropped')
    expect(exporter.metrics.total('shutdown.abandoned')).toBe(1)
    checkAll()
  })

  test('a batch that is committed after all is stored', async () => {
    const { answer } = ledger.strict()
    const { batch } = await sink.next()
    vi.spyOn(sink, 'close').mockImplementation(async () => {
      sink.letGo()
    })
    await exporter.close(20)
    expect(await answer).toMatchObject({ auditId: batch.entries[0]?.event.auditId })
    checkAll()
  })

  test.each([
    ['a failed write', FAILED, 'AUDIT_CLOSED'],
    ['a write in doubt', UNKNOWN, 'AUDIT_TIMEOUT'],
  ])('the pause after %s ends at once, and nothing is written any more', async (_, result, code) => {
    const { answer, fate } = ledger.strict()
    // The pauses grow to seconds.
    for (let i = 0; i < 6; i++) (await sink.next()).answer(result)
    const writes = watched.writes.length
    await exporter.close(20)
    expect(await answer).toMatchObject({ code })
    expect(await fate).toBe('dropped')
    expect(watched.writes.length - writes).toBeLessThanOrEqual(1)
    checkAll()
  })

  test('what is held back is given up', async () => {
    const held = exporter.holdUntil(new Promise(() => {}))
    const { answer } = ledger.strict()
    await exporter.close(20)
    expect(await answer).toMatchObject({ code: 'AUDIT_CLOSED', row: 'not-stored' })
    expect(held).toBeInstanceOf(Promise)
    checkAll()
  })

  test('the rest of a batch that was being taken apart is given up', async () => {
    start({ batchRows: 8 })
    const events = Array.from({ length: 8 }, () => ledger.strict())
    ;(await sink.next()).answer({ status: 'refused', fault: { code: 'AUDIT_REJECTED', message: 'bad' } })
    await sink.next()
    await exporter.close(20)
    const codes = await Promise.all(
      events.map(async ({ answer }) => ((await answer) as { code?: string }).code),
    )
    expect(codes.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => 'AUDIT_TIMEOUT'))
    expect(codes.slice(4)).toEqual(Array.from({ length: 4 }, () => 'AUDIT_CLOSED'))
    checkAll()
  })

  test('a denial that was already refused is given up without a second word', async () => {
    const { answer, fate } = ledger.strict({ outcome: 'wrong_region' })
    ;(await sink.next()).answer(LASTING)
    expect(await answer).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await exporter.close(20)
    expect(await fate).toBe('dropped')
    expect(exporter.metrics.total('strict.denied')).toBe(1)
    checkAll()
  })
})
