import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Callers } from '../../src/exporter/callers.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { AuditQueue } from '../../src/exporter/queue.js'
import { invariant } from '../../src/host/invariant.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { listening } from '../service/telemetry.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { Ledger } from '../support/ledger.js'
import { recordedRows } from '../support/trail.js'

// An invariant that does not hold is a mistake of this library. Whatever it is: nothing is thrown into the application,
// no strict caller is granted what is not known, and no event is lost in silence.

const DEADLINE_MS = 50

let sink: SteppedSink
let exporter: DurableAuditExporter
let ledger: Ledger
let said: string[]
const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)

beforeEach(() => {
  said = listening()
  sink = new SteppedSink()
  exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  ledger = new Ledger(exporter)
  unhandled.length = 0
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
})

/** Every test ends in this: all events have their fates, and the numbers add up. */
afterEach(async () => {
  vi.restoreAllMocks()
  sink.letGo()
  await exporter.close(20)
  await new Promise(setImmediate)
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
  expect(unhandled).toEqual([])
  expect(exporter.stats().pending).toBe(0)
  ledger.check(recordedRows(sink))
})

const mistake = (): never => {
  invariant(false, 'made for a test')
  throw new Error('not reached')
}
const saidOfIt = (): string[] => said.filter((line) => line.includes('a bug in otel-audit'))

describe('while an event is taken', () => {
  test('does not come out of the call; the strict caller is refused, and told no more than is known', async () => {
    vi.spyOn(AuditQueue.prototype, 'enqueue').mockImplementationOnce(mistake)
    const { answer, fate } = ledger.strict()
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(saidOfIt()).toHaveLength(1)
    sink.letGo()
    expect(await ledger.strict().answer).toHaveProperty('committedAt')
    await exporter.close(20)
    expect(await fate).toBe('dropped')
  })

  test('does not come out of a record that waits for nothing', async () => {
    vi.spyOn(AuditQueue.prototype, 'reserve').mockImplementationOnce(mistake)
    expect(await ledger.async().fate).toBe('dropped')
    expect(exporter.stats()).toMatchObject({ emitted: 1, droppedAsync: 1, pending: 0 })
    expect(saidOfIt().length).toBeGreaterThan(0)
  })
})

describe('while a batch is written', () => {
  test('the writer stops: its rows are unknown, later ones are refused with the reason, and all is counted', async () => {
    vi.spyOn(Callers.prototype, 'committed').mockImplementationOnce(mistake)
    // The pause after a failed write is at most 50 ms: its deadline must be later.
    const sent = [ledger.strict({}, 2000), ledger.async()]
    ;(await sink.next()).answer({
      status: 'failed',
      lasting: false,
      fault: { code: 'AUDIT_UNAVAILABLE', message: '' },
    })
    sink.letGo()
    expect(await sent[0]?.answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(await ledger.strict({}, DEADLINE_MS).answer).toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      row: 'not-stored',
      message: expect.stringContaining('the writer has stopped: a bug in otel-audit') as string,
    })
    expect(said.join()).toContain('restart the process')
    expect(exporter.lastFault?.message).toContain('the writer has stopped')
  })

  test('nothing more is sent, and the spool keeps what waits for the next process', async () => {
    const spool = new MemorySpool(1_000_000)
    exporter.attachSpool(spool, 'overflow')
    vi.spyOn(Callers.prototype, 'committed').mockImplementationOnce(mistake)
    const first = ledger.async()
    sink.letGo()
    await vi.waitFor(() => expect(exporter.lastFault).toBeDefined())
    const batches = sink.batches.length
    ledger.async()
    await exporter.close(20)
    expect(sink.batches).toHaveLength(batches)
    expect(exporter.stats()).toMatchObject({ spoolOut: 2, droppedAsync: 0, pending: 0 })
    // What was on its way, and may be stored, as well: an id is stored once.
    expect(sink.events.map(({ auditId }) => auditId)).toEqual([first.event.auditId])
  })

  test('an event that was lost track of has its end in close, and that is said', async () => {
    vi.spyOn(Callers.prototype, 'committed').mockImplementationOnce(() => {})
    const { answer, fate } = ledger.strict({}, DEADLINE_MS)
    sink.letGo()
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    await exporter.close(20)
    expect(await fate).toBe('dropped')
    expect(said.join()).toContain('lost track of 1 audit events')
  })
})

test('while callers are told: each other one is told all the same, and records go on', async () => {
  vi.spyOn(Callers.prototype, 'stored').mockImplementationOnce(mistake)
  const [first, ...others] = [ledger.strict(), ledger.strict(), ledger.strict(), ledger.strict()] as const
  sink.letGo()
  for (const { answer } of others) expect(await answer).toHaveProperty('committedAt')
  expect(await ledger.strict().answer).toHaveProperty('committedAt')
  await exporter.close(20)
  expect(await first.answer).toHaveProperty('committedAt')
  expect(await first.fate).toBe('stored')
  expect(saidOfIt().length).toBeGreaterThan(0)
})
