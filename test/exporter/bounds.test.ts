import { runInNewContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BOUNDS, EXPORTER_DEFAULTS } from '../../src/exporter/bounds.js'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../src/exporter/exporter.js'
import { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { Ticket } from '../../src/contract/ticket.js'
import { anEvent, batchOf } from '../support/events.js'
import { FAILED, LASTING, REFUSED, UNKNOWN } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { SteppedSink } from '../support/stepped-sink.js'
import { recordedRows } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

let sink: SteppedSink
let exporter: DurableAuditExporter
let ledger: Ledger
const said: string[] = []

function start(options: Partial<DurableAuditExporterOptions>): void {
  sink = new SteppedSink()
  exporter = new DurableAuditExporter({ lingerMs: 0, ...options, sink })
  ledger = new Ledger(exporter)
}

beforeEach(() => {
  said.length = 0
  const say = (message: string): void => void said.push(message)
  diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.ALL)
  said.length = 0
})

afterEach(async () => {
  diag.disable()
  sink.letGo()
  await exporter.close(60_000)
  ledger.check(recordedRows(sink))
})

describe('a full queue', () => {
  test('refuses strict callers at once, and drops async events', async () => {
    start({ queueRows: 3 })
    for (let i = 0; i < 3; i++) ledger.strict()
    const turnedAway = [ledger.strict(), ledger.strict({ outcome: 'no_pubkey' })]
    for (const { answer, fate } of turnedAway) {
      expect(await answer).toMatchObject({ code: 'AUDIT_QUEUE_FULL', row: 'not-stored' })
      expect(await fate).toBe('dropped')
    }
    expect(await ledger.async().fate).toBe('dropped')
    expect(exporter.stats()).toMatchObject({
      emitted: 6,
      written: 0,
      droppedAsync: 1,
      failedStrict: 2,
      pending: 3,
    })
  })

  test('counts what is in flight: it may come back', async () => {
    start({ queueRows: 2 })
    ledger.strict()
    ledger.strict()
    const write = await sink.next()
    expect(await ledger.strict().answer).toMatchObject({ code: 'AUDIT_QUEUE_FULL' })
    sink.letGo()
    write.store()
    expect(await ledgerTakes(2)).toBe(true)
  })

  test('is bounded by bytes, too', async () => {
    start({ queueBytes: 65_536 })
    const notes = 'n'.repeat(1000)
    const fates: string[] = []
    for (let i = 0; i < 130; i++) void ledger.async({ notes }).fate.then((fate) => fates.push(fate))
    await new Promise(setImmediate)
    const { droppedAsync, pending } = exporter.stats()
    expect(droppedAsync + pending).toBe(130)
    expect(pending).toBeLessThanOrEqual(65)
    expect(pending).toBeGreaterThan(33)
  })

  test('says which events were lost, but not a hundred times a second', async () => {
    start({ queueRows: 1 })
    ledger.strict()
    const lost = Array.from({ length: 100 }, (_, i) => ledger.async({ credential: `credential-${i}` }))
    const named = said.filter((line) => line.includes('audit event dropped'))
    expect(named).toHaveLength(10)
    for (const [i, line] of named.entries()) {
      const event = lost[i]?.event
      for (const part of [event?.auditId, 'get_credential', 'ok', `"credential-${i}"`]) {
        expect(line).toContain(String(part))
      }
    }
    expect(exporter.stats().droppedAsync).toBe(100)
  })

  test('holds no more memory than its bounds', async () => {
    start({})
    // Without a ledger, which would remember all of them.
    const flooded = new DurableAuditExporter({ sink: new SteppedSink(), queueRows: 1000 })
    const flood = (events: number): void => {
      for (let i = 0; i < events; i++) {
        const ticket = new Ticket('async', 0, 0)
        ticket.seal(anEvent({ notes: `${i} `.repeat(100) }))
        flooded.submit(ticket)
      }
    }
    flood(10_000)
    const before = heapUsed()
    flood(50_000)
    expect(heapUsed() - before).toBeLessThan(5_000_000)
    expect(flooded.stats()).toMatchObject({ emitted: 60_000, pending: 1000, droppedAsync: 59_000 })
  })
})

describe('a bound that is given', () => {
  const made = (options: object) => new DurableAuditExporter({ ...options, sink: new RecordingAuditSink() })

  test.each(Object.entries(BOUNDS))(
    'as %s is checked, and named with what is accepted',
    (field, { min, max, unit }) => {
      for (const wrong of [min - 1, -1, max + 1, 'x', '10', Number.NaN, Infinity, min + 0.5, true]) {
        const got = typeof wrong === 'string' ? JSON.stringify(wrong) : String(wrong)
        const message = `AUDIT_INVALID_OPTION: ${field} must be an integer from ${min} to ${max} (${unit}); got ${got}`
        expect(() => made({ [field]: wrong })).toThrow(
          expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field, message }) as Error,
        )
      }
      for (const right of [min, max]) expect(() => made({ [field]: right })).not.toThrow()
    },
  )

  test.each([-1, 1024, 1.5, 'x', Number.NaN])('as machineId is checked: %s', (machineId) => {
    const wanted = expect.objectContaining({ code: 'AUDIT_INVALID_OPTION', field: 'machineId' }) as Error
    expect(() => made({ machineId })).toThrow(wanted)
  })

  test('and undefined is its default: the queue is bounded, and so are batches', async () => {
    const nothing = Object.fromEntries(Object.keys(BOUNDS).map((field) => [field, undefined]))
    const sink = new RecordingAuditSink()
    const exporter = new DurableAuditExporter({ ...nothing, machineId: undefined, identity: undefined, sink })
    const service = new SecretAuditService({ pipeline: exporter })
    const { queueRows, batchRows } = EXPORTER_DEFAULTS
    const access = { credential: 'c', operation: 'get_credential', outcome: 'ok' } as const
    for (let i = 0; i < queueRows + 100; i++) service.recordAsync(access)
    expect(exporter.stats()).toMatchObject({ pending: queueRows, droppedAsync: 100 })
    await exporter.forceFlush()
    expect(Math.max(...sink.batches.map(({ entries }) => entries.length))).toBe(batchRows)
    await exporter.close(60_000)
  })
})

describe('a place in the queue', () => {
  const bad = anEvent({ credential: 'bad' })
  const twin = anEvent()

  test.each([
    ['stored', async () => (await sink.next()).store()],
    ['refused', async () => (await sink.next()).answer(REFUSED)],
    [
      'failed for good, and refused',
      async () => {
        ;(await sink.next()).answer(LASTING)
      },
    ],
    [
      'failed, unknown, and stored',
      async () => {
        ;(await sink.next()).answer(FAILED)
        ;(await sink.next()).answer(UNKNOWN)
        ;(await sink.next()).store()
      },
    ],
    ['past its deadline', async () => {}],
  ])('is given up once, when the event is %s', async (_, end) => {
    start({ queueRows: 2 })
    const { answer } = ledger.strict({}, 600)
    const other = ledger.strict({}, 600)
    await end()
    if (sink.hasArrived) (await sink.next()).answer(REFUSED)
    sink.letGo()
    await Promise.all([answer, other.answer])
    await exporter.forceFlush()
    expect(exporter.stats().pending).toBe(0)
    expect(await ledgerTakes(2)).toBe(true)
  })

  test('is given up for each of two events that are one row', async () => {
    start({ queueRows: 2 })
    sink.store(batchOf(bad))
    ledger.expectStranger(bad)
    for (let i = 0; i < 2; i++) ledger.submit(twin, 'async')
    sink.letGo()
    await exporter.forceFlush()
    ledger.submit(anEvent({}, { auditId: bad.auditId }), 'async')
    await exporter.forceFlush()
    expect(await ledgerTakes(2)).toBe(true)
  })
})

/** Whether the queue, when all is done, takes so many events, and not one more. */
async function ledgerTakes(rows: number): Promise<boolean> {
  await waitUntil('all to be stored, gap rows included', async () => {
    await exporter.forceFlush()
    return exporter.stats().pending === 0
  })
  const held = exporter.holdUntil(new Promise<void>((resolve) => setImmediate(resolve)))
  const before = exporter.stats().droppedAsync
  for (let i = 0; i < rows; i++) ledger.async()
  const all = exporter.stats().droppedAsync === before
  ledger.async()
  const notMore = exporter.stats().droppedAsync === before + 1
  await held
  return all && notMore
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}
