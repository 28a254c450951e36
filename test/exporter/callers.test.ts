import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { TRAIL_CREDENTIAL } from '../../src/event/self-rows.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening } from '../service/telemetry.js'
import { FAILED, LASTING, UNKNOWN } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { type HeldWrite, SteppedSink } from '../support/stepped-sink.js'
import { recordedRows } from '../support/trail.js'
import { WatchedSink } from '../support/watched-sink.js'

const DEADLINE_MS = 20
const DENIAL = { outcome: 'residency_violation' } as const

let sink: SteppedSink
let watched: WatchedSink
let exporter: DurableAuditExporter
let ledger: Ledger

beforeEach(() => {
  sink = new SteppedSink()
  watched = new WatchedSink(sink)
  exporter = new DurableAuditExporter({ sink: watched, lingerMs: 1 })
  ledger = new Ledger(exporter)
})

afterEach(async () => {
  sink.letGo()
  await exporter.close(60_000)
  ledger.check(recordedRows(sink))
  expect(watched.breaches).toEqual([])
})

/** A batch that is in the way of all that come. */
async function jam(): Promise<HeldWrite> {
  ledger.async({ credential: 'jam' })
  return sink.next()
}

const written = (): string[] =>
  sink.events.map(({ credential }) => credential).filter((credential) => credential !== TRAIL_CREDENTIAL)

describe('a strict event that is not sent by its deadline', () => {
  test('is refused, leaves the queue, and is never written', async () => {
    const jammed = await jam()
    const { answer, fate } = ledger.strict({ credential: 'late' }, DEADLINE_MS)
    const error = await answer
    expect(error).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored', credential: 'late' })
    expect(await fate).toBe('dropped')
    jammed.store()
    await exporter.forceFlush()
    expect(written()).toEqual(['jam'])
    expect(exporter.stats()).toMatchObject({ failedStrict: 1, written: 1 })
  })

  test('but a denial goes on as async, and is stored', async () => {
    const jammed = await jam()
    const { answer, fate } = ledger.strict(DENIAL, DEADLINE_MS)
    expect(await answer).toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      row: 'not-stored',
      outcome: DENIAL.outcome,
    })
    expect(exporter.stats()).toMatchObject({ failedStrict: 0, pending: 2 })
    jammed.store()
    ;(await sink.next()).store()
    expect(await fate).toBe('stored')
    expect(exporter.stats()).toMatchObject({ failedStrict: 0, written: 2 })
    expect(exporter.metrics.total('strict.denied')).toBe(1)
  })

  test('does not make the other waiting ones lose their places', async () => {
    const jammed = await jam()
    const before = ledger.strict({ credential: 'before' })
    const late = ledger.strict({ credential: 'late' }, DEADLINE_MS)
    const after = ledger.strict({ credential: 'after' })
    await late.answer
    jammed.store()
    ;(await sink.next()).store()
    await Promise.all([before.answer, after.answer])
    expect(written()).toEqual(['jam', 'before', 'after'])
  })

  test('is told why, when the database has said it', async () => {
    // Refuses at once, so that the deadline falls into a pause between two sends.
    const refusing = new DurableAuditExporter({ sink: new RecordingAuditSink(() => FAILED) })
    onTestFinished(() => refusing.close(0))
    const { answer } = new Ledger(refusing).strict({}, 300)
    const error = (await answer) as AuditError
    expect(error).toMatchObject({ row: 'not-stored', cause: { message: 'SQLSTATE 57P03' } })
    expect(error.message).toMatch(/AUDIT_UNAVAILABLE: not written within 300 ms: starting up/)
  })
})

describe('a strict event that is sent and not answered by its deadline', () => {
  test('has an unknown fate; it is counted once, when that is known', async () => {
    const { answer, fate } = ledger.strict({}, DEADLINE_MS)
    const write = await sink.next()
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT', row: 'unknown' })
    expect(exporter.stats()).toMatchObject({ emitted: 1, written: 0, failedStrict: 0, pending: 1 })
    expect(exporter.metrics.total('strict.denied')).toBe(1)
    write.store()
    expect(await fate).toBe('stored')
    expect(exporter.stats()).toMatchObject({ written: 1, failedStrict: 0 })
    expect(exporter.metrics.total('strict.denied')).toBe(1)
  })

  test.each([
    ['a release is dropped', 'ok', 'dropped', 0],
    ['a denial is stored', DENIAL.outcome, 'stored', 1],
  ] as const)('and then turns out not to be stored: %s', async (_, outcome, end, rows) => {
    const { answer, fate } = ledger.strict({ outcome }, DEADLINE_MS)
    const write = await sink.next()
    expect(await answer).toMatchObject({ code: 'AUDIT_TIMEOUT' })
    write.answer(FAILED)
    sink.letGo()
    expect(await fate).toBe(end)
    expect(sink.events).toHaveLength(rows)
    expect(exporter.metrics.total('strict.denied')).toBe(1)
  })

  test('stays first in line while its fate is unknown', async () => {
    const { answer, event } = ledger.strict({}, DEADLINE_MS)
    const write = await sink.next()
    await answer
    write.answer(UNKNOWN)
    const again = await sink.next()
    expect(again.batch.entries.map((entry) => entry.event)).toEqual([event])
  })
})

test('strict events that are committed in the turn of their deadline are granted: their rows are there', async () => {
  const said = listening()
  // Of two that are committed together the second one is told a turn later.
  const answers = [ledger.strict({}, DEADLINE_MS).answer, ledger.strict({}, DEADLINE_MS).answer]
  const write = await sink.next()
  // Their timers, then this one, in one turn: they are committed after the deadline, and before anybody is refused.
  globalThis.setTimeout(() => write.store(), DEADLINE_MS + 1)
  for (const end = performance.now() + 3 * DEADLINE_MS; performance.now() < end; );
  for (const answer of answers) expect(await answer).toHaveProperty('committedAt')
  expect(said).toEqual([])
})

describe('after a lasting failure', () => {
  test('a denial that was refused at once is stored once, also when its deadline passes meanwhile', async () => {
    const { answer, fate } = ledger.strict(DENIAL, DEADLINE_MS)
    ;(await sink.next()).answer(LASTING)
    expect(await answer).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    // Until its deadline is certainly over: timers fire in order.
    await ledger.strict({}, DEADLINE_MS).answer
    sink.letGo()
    expect(await fate).toBe('stored')
    await exporter.forceFlush()
    expect(watched.writes.map(({ result }) => result?.status)).not.toContain('conflict')
  })
})
