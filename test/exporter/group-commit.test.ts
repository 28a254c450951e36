import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import type { BatchEntry } from '../../src/contract/sink.js'
import { anEvent } from '../support/events.js'
import { REFUSED } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { recordedRows } from '../support/trail.js'
import { WatchedSink } from '../support/watched-sink.js'

/** Longer than any test: what has to wait for it never comes. */
const FOR_EVER_MS = 60_000

let sink: SteppedSink
let watched: WatchedSink
let exporter: DurableAuditExporter
let ledger: Ledger

function start(options: Partial<DurableAuditExporterOptions> = {}): void {
  sink = new SteppedSink()
  watched = new WatchedSink(sink)
  exporter = new DurableAuditExporter({ lingerMs: FOR_EVER_MS, ...options, sink: watched })
  ledger = new Ledger(exporter)
}

beforeEach(() => start())

/** Every test ends in this: all is stored, and all that was said is true. */
afterEach(async () => {
  sink.letGo()
  await exporter.close(FOR_EVER_MS)
  ledger.check(recordedRows(sink))
  expect(watched.breaches).toEqual([])
})

function keepBusy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

async function letGoAndSettle(): Promise<void> {
  sink.letGo()
  await exporter.forceFlush()
}

/** Attributes of some 4 KiB. */
const LARGE = Array.from({ length: 30 }, (_, i) => [`key${i}`, 'x'.repeat(120)])

/** UTF-8 bytes of all text. */
const bytesOf = ({ event }: BatchEntry): number =>
  Object.values(event).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 0),
    0,
  )

const credentials = (batch: { entries: readonly { event: { credential: string } }[] }): string[] =>
  batch.entries.map(({ event }) => event.credential)

describe('who waits for whom', () => {
  test('a lone strict caller goes at once', async () => {
    const { answer, event } = ledger.strict()
    ;(await sink.next()).store()
    expect(await answer).toMatchObject({ auditId: event.auditId })
  })

  test('what is recorded in the same turn shares the commit', async () => {
    for (let i = 0; i < 5; i++) ledger.strict()
    expect((await sink.next()).batch.entries).toHaveLength(5)
  })

  test('64 strict callers share two commits: the first goes alone, all others wait for it together', async () => {
    ledger.strict()
    const first = await sink.next()
    const others = Array.from({ length: 63 }, () => ledger.strict())
    expect(sink.hasArrived).toBe(false)
    first.store()
    ;(await sink.next()).store()
    await Promise.all(others.map(({ answer }) => answer))
    expect(watched.sizes).toEqual([1, 63])
  })

  test('callers that record again as soon as they are answered stay together', async () => {
    const caller = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) await ledger.strict().answer
    }
    const callers = Promise.all(Array.from({ length: 8 }, caller))
    for (let round = 0; round < 3; round++) {
      const write = await sink.next()
      await setTimeout(100)
      write.store()
    }
    await callers
    expect(watched.sizes).toEqual([8, 8, 8])
  })

  test('of a batch that is written in parts, those of a part are answered when it is committed', async () => {
    const [one, other] = [ledger.strict(), ledger.strict()]
    ;(await sink.next()).answer(REFUSED)
    ;(await sink.next()).store()
    await sink.next()
    expect(await one?.answer).toHaveProperty('committedAt')
    sink.letGo()
    expect(await other?.answer).toHaveProperty('committedAt')
  })

  test('but where answering takes longer than a write, half of them go while the others are answered', async () => {
    const caller = async (): Promise<void> => {
      await ledger.strict().answer
      keepBusy(50)
      await ledger.strict().answer
    }
    const callers = Promise.all(Array.from({ length: 8 }, caller))
    await sink.next()
    sink.letGo()
    await callers
    expect(watched.sizes).toEqual([8, 4, 4])
  })

  test('an async event lingers, and goes along with the next strict one', async () => {
    const waiting = [ledger.async(), ledger.async()]
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
    ledger.strict()
    const { batch, store } = await sink.next()
    expect(batch.entries).toHaveLength(3)
    store()
    expect(await Promise.all(waiting.map(({ fate }) => fate))).toEqual(['stored', 'stored'])
  })

  test('an async event goes by itself when it has lingered', async () => {
    start({ lingerMs: 5 })
    ledger.async()
    ;(await sink.next()).store()
  })

  test('one linger serves all that come meanwhile', async () => {
    start({ lingerMs: 30 })
    const events = [ledger.async()]
    await new Promise(setImmediate)
    events.push(ledger.async(), ledger.async())
    ;(await sink.next()).store()
    await Promise.all(events.map(({ fate }) => fate))
    expect(watched.sizes).toEqual([3])
  })

  test('enough async events to fill a batch do not linger: by rows', async () => {
    start({ batchRows: 3 })
    ledger.async()
    ledger.async()
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
    ledger.async()
    expect((await sink.next()).batch.entries).toHaveLength(3)
  })

  test('enough async events to fill a batch do not linger: by bytes', async () => {
    start({ batchBytes: 3000 })
    ledger.async({ notes: 'n'.repeat(1000) })
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
    ledger.async({ notes: 'n'.repeat(1000) })
    ledger.async({ notes: 'n'.repeat(1000) })
    await sink.next()
  })
})

describe('what goes into a batch', () => {
  test('strict before async, each in order of arrival', async () => {
    start({ batchRows: 2 })
    ledger.strict({ credential: 'first' })
    const first = await sink.next()
    for (const credential of ['a', 'b']) ledger.async({ credential })
    for (const credential of ['s', 't', 'u']) ledger.strict({ credential })
    first.store()
    const order: string[][] = []
    for (let batch = 0; batch < 3; batch++) {
      const write = await sink.next()
      order.push(credentials(write.batch))
      write.store()
      if (batch === 1) void exporter.forceFlush()
    }
    expect(order).toEqual([['s', 't'], ['a', 'u'].sort(), ['b']])
  })

  test('at most so many rows', async () => {
    start({ batchRows: 4 })
    ledger.strict()
    const first = await sink.next()
    for (let i = 0; i < 10; i++) ledger.strict()
    first.store()
    for (let i = 0; i < 3; i++) (await sink.next()).store()
    expect(watched.sizes).toEqual([1, 4, 4, 2])
  })

  test('at most so many bytes, of text in any script; one that is larger goes alone', async () => {
    start({ batchBytes: 8000 })
    ledger.strict()
    const first = await sink.next()
    for (const size of [1000, 1000, 500, 1024, 1000]) ledger.strict({ notes: '鍵'.repeat(size) })
    ledger.strict({ notes: '鍵'.repeat(1024), attributes: Object.fromEntries(LARGE) })
    ledger.strict()
    first.store()
    await letGoAndSettle()
    for (const { batch } of watched.writes) {
      const { length } = batch.entries
      const bytes = batch.entries.map(bytesOf).reduce((sum, size) => sum + size)
      expect(length === 1 || bytes <= 8000, `${bytes} bytes in ${length} rows`).toBe(true)
    }
    expect(watched.writes.some(({ batch }) => batch.entries.length > 1)).toBe(true)
  })

  test('in ascending order of ids, whatever the order of arrival', async () => {
    const events = Array.from({ length: 20 }, () => anEvent()).toReversed()
    for (const event of events) ledger.submit(event, 'async')
    ledger.strict()
    const { batch, store } = await sink.next()
    const ids = batch.entries.map(({ event }) => event.auditId)
    expect(ids).toEqual([...ids].sort((a, b) => (a < b ? -1 : 1)))
    expect(ids).toHaveLength(21)
    store()
  })
})

describe('a flush', () => {
  test('ends the lingering, and resolves when all is stored', async () => {
    const { fate } = ledger.async()
    let flushed = false
    const flush = exporter.forceFlush().then(() => (flushed = true))
    const { store } = await sink.next()
    expect(flushed).toBe(false)
    store()
    await flush
    expect(await fate).toBe('stored')
  })

  test('of nothing resolves', async () => {
    await exporter.forceFlush()
  })

  test('is over afterwards: the next async event lingers again', async () => {
    const flush = exporter.forceFlush()
    await flush
    ledger.async()
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
  })

  test('that ends does not slow down another that goes on', async () => {
    ledger.async()
    const first = exporter.forceFlush()
    const { store } = await sink.next()
    ledger.async()
    const second = exporter.forceFlush()
    store()
    await first
    ;(await sink.next()).store()
    await second
  })

  test('does not wait for what is recorded after it', async () => {
    ledger.async()
    const flush = exporter.forceFlush()
    const { store } = await sink.next()
    ledger.strict()
    store()
    await flush
    expect(exporter.stats().pending).toBe(1)
  })
})

describe('holding', () => {
  test('sends nothing before the work has ended, then everything', async () => {
    let end: () => void = () => {}
    const held = exporter.holdUntil(new Promise<void>((resolve) => (end = resolve)))
    ledger.strict()
    ledger.async()
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
    end()
    await held
    expect((await sink.next()).batch.entries).toHaveLength(2)
  })

  test('ends also when the work fails', async () => {
    await expect(exporter.holdUntil(Promise.reject(new Error('self-test')))).rejects.toThrow('self-test')
    ledger.strict()
    await sink.next()
  })

  test('twice lasts until both have ended', async () => {
    let end: () => void = () => {}
    const long = exporter.holdUntil(new Promise<void>((resolve) => (end = resolve)))
    await exporter.holdUntil(Promise.resolve())
    ledger.strict()
    await new Promise(setImmediate)
    expect(sink.hasArrived).toBe(false)
    end()
    await long
    await sink.next()
  })
})
