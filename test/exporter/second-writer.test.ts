import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AuditBatch, SecondSink, WriteResult } from '../../src/contract/sink.js'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import { AuditQueue } from '../../src/exporter/queue.js'
import { invariant } from '../../src/host/invariant.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { listening } from '../service/telemetry.js'
import { anEvent } from '../support/events.js'
import { LASTING, UNKNOWN } from '../support/faults.js'
import { Ledger, type Submission } from '../support/ledger.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { recordedRows } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { WatchedSink } from '../support/watched-sink.js'

// A second writer helps under load, and changes nothing but the time that it takes.

/** Longer than any test: what has to wait for it never comes. */
const FOR_EVER_MS = 60_000

/** Writes into the table of the other one. */
class Second extends SteppedSink implements SecondSink {
  readonly #first: SteppedSink
  isReady = false
  asked = 0
  /** What becomes of the next attempt to get ready. */
  preparing: () => Promise<void> = () => Promise.resolve()

  constructor(first: SteppedSink) {
    super()
    this.#first = first
  }

  async prepare(): Promise<void> {
    this.asked++
    await this.preparing()
    this.isReady = true
  }

  override store(batch: AuditBatch): WriteResult {
    return this.#first.store(batch)
  }
}

class First extends SteppedSink {
  second: Second | undefined

  beside(): Second {
    return (this.second ??= new Second(this))
  }

  override letGo(): void {
    super.letGo()
    this.second?.letGo()
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.second?.close()])
  }
}

let sink: First
let watched: WatchedSink
let exporter: DurableAuditExporter
let ledger: Ledger
let said: string[]

function start(options: Partial<DurableAuditExporterOptions> = {}): void {
  sink = new First()
  watched = new WatchedSink(sink)
  exporter = new DurableAuditExporter({ lingerMs: FOR_EVER_MS, ...options, sink: watched })
  ledger = new Ledger(exporter)
}

beforeEach(() => {
  said = listening()
  start()
})

/** Every test ends in this: all is stored, and all that was said is true. */
afterEach(async () => {
  vi.restoreAllMocks()
  sink.letGo()
  await exporter.close(FOR_EVER_MS)
  ledger.check(recordedRows(sink))
  expect(watched.breaches).toEqual([])
})

const strict = (count: number): Submission[] => Array.from({ length: count }, () => ledger.strict())
const sizesOf = (one: WatchedSink | undefined): number[] => one?.sizes ?? []
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
}

/** So many callers wait at so many batches of the first writer; the last of them is on its way. */
async function load(count = 16, batches = 3): Promise<void> {
  ledger.strict()
  for (let batch = 0; batch < batches; batch++) {
    const write = await sink.next()
    strict(count)
    write.store()
  }
  await waitUntil('the last batch', () => sink.hasArrived)
}

describe('a second writer', () => {
  test('is not asked for while fewer than 16 strict callers wait', async () => {
    await load(15, 6)
    strict(15)
    expect(sink.second).toBeUndefined()
  })

  test('nor while they have not waited for several batches, nor for events that nobody waits for', async () => {
    await load(16, 2)
    strict(40)
    for (let i = 0; i < 100; i++) ledger.async()
    await turns()
    expect(sink.second).toBeUndefined()
  })

  test('is asked for when whole batches wait, although nobody waits for them', async () => {
    start({ batchRows: 10 })
    for (let i = 0; i < 80; i++) ledger.async()
    for (let batch = 0; batch < 2; batch++) {
      await turns()
      expect(sink.second).toBeUndefined()
      ;(await sink.next()).store()
    }
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    expect([watched.sizes, sizesOf(watched.second)]).toEqual([[10, 10, 10], [10]])
  })

  test('helps to bring a spool back', async () => {
    const own = new First()
    own.letGo()
    own.beside().letGo()
    const counted = new WatchedSink(own)
    const drains = new DurableAuditExporter({ batchRows: 20, sink: counted })
    const spool = new MemorySpool(10_000_000)
    const events = Array.from({ length: 400 }, () => anEvent())
    await spool.putBack(await spool.append(events))
    drains.attachSpool(spool)
    await waitUntil('an empty spool', () => spool.status.entries === 0)
    await drains.close(FOR_EVER_MS)
    expect(own.events).toHaveLength(400)
    expect(new Set(own.events)).toEqual(new Set(events))
    expect(sizesOf(counted.second).length).toBeGreaterThan(0)
    expect([counted.breaches, drains.stats().written]).toEqual([[], 400])
  })

  test('takes all that waits while the first is at work, once it is ready', async () => {
    await load()
    const waiting = strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    expect(sizesOf(watched.second)).toEqual([20])
    ;(await sink.second?.next())?.store()
    // While the first one still waits for its answer.
    for (const { answer } of waiting) expect(await answer).toHaveProperty('committedAt')
    expect(watched.sizes).toEqual([1, 16, 16, 16])
  })

  test('gets half from the first, when both are free', async () => {
    await load()
    strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    const [one, other] = [await sink.next(), await sink.second?.next()]
    const held = exporter.holdUntil(
      (async () => {
        one.store()
        other?.store()
        await turns()
        strict(40)
      })(),
    )
    await held
    await waitUntil('both', () => sink.hasArrived && sink.second?.hasArrived === true)
    expect([watched.sizes.at(-1), watched.second?.sizes.at(-1)]).toEqual([20, 20])
  })

  test('is left alone when there is little to do again', async () => {
    await load()
    strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    ;(await sink.second?.next())?.store()
    strict(10)
    await turns()
    expect(sink.second?.hasArrived).toBe(false)
  })

  test('sends nothing while everything is held', async () => {
    await load()
    strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    let release = (): void => {}
    const held = exporter.holdUntil(new Promise<void>((resolve) => (release = resolve)))
    ;(await sink.second?.next())?.store()
    ;(await sink.next()).store()
    strict(40)
    await turns()
    expect([sink.hasArrived, sink.second?.hasArrived]).toEqual([false, false])
    release()
    await held
    await waitUntil('both', () => sink.hasArrived && sink.second?.hasArrived === true)
  })

  test('is never there when it is not wanted', async () => {
    start({ secondChain: 'never' })
    await load(40, 5)
    strict(100)
    await turns()
    expect(sink.second).toBeUndefined()
  })

  test('is there for two events, when that is wanted', async () => {
    start({ secondChain: 'always', lingerMs: 0 })
    ledger.async()
    await waitUntil('the first batch', () => sink.hasArrived)
    ledger.async()
    ledger.async()
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    expect(sizesOf(watched.second)).toEqual([2])
  })

  test.each([undefined, 'sometimes'])('secondChain: %s', (mode) => {
    const given = { sink: new First(), secondChain: mode as never }
    if (mode === undefined) expect(() => new DurableAuditExporter(given)).not.toThrow()
    else expect(() => new DurableAuditExporter(given)).toThrow('AUDIT_INVALID_OPTION')
  })
})

describe('when it fails', () => {
  test('there is no connection to be had: that is said once, changes nothing, and is not tried again at once', async () => {
    sink.beside().preparing = () => Promise.reject(new Error('too many connections'))
    await load()
    for (let round = 0; round < 4; round++) {
      const write = await sink.next()
      strict(30)
      await turns()
      write.store()
    }
    expect(sink.second?.asked).toBe(1)
    expect(said.filter((line) => line.includes('no second connection to write on'))).toHaveLength(1)
    expect(sizesOf(watched.second)).toEqual([])
  })

  test('before anything of it is stored: nobody is refused, and the first one takes it', async () => {
    await load()
    const waiting = strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    if (sink.second !== undefined) sink.second.isReady = false
    ;(await sink.second?.next())?.answer(LASTING)
    await turns()
    ;(await sink.next()).store()
    const again = await sink.next()
    expect(again.batch.entries).toHaveLength(20)
    again.store()
    for (const { answer } of waiting) expect(await answer).toHaveProperty('committedAt')
    expect(exporter.lastFault).toBeUndefined()
  })

  test('with an unknown end: it sends the same again, and the first one goes on', async () => {
    await load()
    const waiting = strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    const doubtful = await sink.second?.next()
    doubtful?.storeBut(UNKNOWN)
    ;(await sink.next()).store()
    const others = strict(5)
    ;(await sink.next()).store()
    for (const { answer } of others) expect(await answer).toHaveProperty('committedAt')
    const again = await sink.second?.next()
    expect(again?.batch).toEqual(doubtful?.batch)
    again?.store()
    for (const { answer } of waiting) expect(await answer).toHaveProperty('committedAt')
  })

  test('at the end: what is in doubt with both is told so', async () => {
    await load()
    const waiting = strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    await exporter.close(0)
    for (const { answer } of waiting) expect(await answer).toMatchObject({ row: 'unknown' })
    expect(exporter.stats().pending).toBe(0)
  })

  test('by a mistake of ours: neither of them sends anything any more', async () => {
    await load()
    strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    vi.spyOn(AuditQueue.prototype, 'putBack').mockImplementationOnce(() =>
      invariant(false, 'made for a test'),
    )
    ;(await sink.second?.next())?.answer(LASTING)
    await turns()
    expect(exporter.lastFault?.message).toContain('the writer has stopped')
    ;(await sink.next()).store()
    ledger.strict({}, 20)
    await turns()
    expect([sink.hasArrived, sink.second?.hasArrived]).toEqual([false, false])
    await exporter.close(20)
  })

  test('an event that came both ways is in two batches, and stored once', async () => {
    await load()
    const twice = anEvent()
    const one = ledger.submit(twice, 'async')
    strict(20)
    await waitUntil('the second batch', () => sink.second?.hasArrived === true)
    ;(await sink.second?.next())?.store()
    expect(await one.fate).toBe('stored')
    ledger.submit(twice, 'async')
    sink.letGo()
    await exporter.forceFlush()
    expect(sink.events.filter(({ auditId }) => auditId === twice.auditId)).toHaveLength(1)
  })
})
