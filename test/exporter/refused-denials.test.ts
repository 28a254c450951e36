import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import type { SpoolMode } from '../../src/exporter/spooler.js'
import { RecordingAuditSink, type ScriptedWrite } from '../../src/sinks/recording.js'
import { anEvent } from '../support/events.js'
import { FAILED, LASTING, REFUSED } from '../support/faults.js'
import { Ledger } from '../support/ledger.js'
import { recordedRows } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

const DENIAL = { outcome: 'no_pubkey' } as const
const DEADLINE_MS = 20

let spool: MemorySpool
let exporter: DurableAuditExporter
let sink: RecordingAuditSink
let answer: ScriptedWrite

function attach(mode: SpoolMode): Ledger {
  exporter.attachSpool(spool, mode)
  return new Ledger(exporter)
}

beforeEach(() => {
  answer = () => undefined
  spool = new MemorySpool(1024 ** 2)
  sink = new RecordingAuditSink((batch) => answer(batch))
  exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
})

afterEach(() => exporter.close(1000))

const onDisk = (count: number) => waitUntil(`${count} on disk`, () => spool.status.entries === count)

/** The database is back, and everything ends well: nothing is on disk any more, and nothing is there twice. */
async function recovered(ledger: Ledger): Promise<void> {
  answer = () => undefined
  await exporter.forceFlush()
  await onDisk(0)
  ledger.check(recordedRows(sink))
}

describe('a denial whose strict caller was refused goes on as an async event: with `always` it is on disk', () => {
  test('when it was not sent by its deadline', async () => {
    const ledger = attach('always')
    answer = () => FAILED
    const denial = ledger.submit(anEvent(DENIAL), 'strict', DEADLINE_MS)
    expect(await denial.answer).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await onDisk(1)
    await recovered(ledger)
    expect(await denial.fate).toBe('stored')
  })

  test('when the database did not answer by its deadline', async () => {
    const ledger = attach('always')
    let release = (): void => {}
    answer = (batch) =>
      new Promise((resolve) => {
        release = () => resolve(sink.store(batch))
      })
    const denial = ledger.submit(anEvent(DENIAL), 'strict', DEADLINE_MS)
    expect(await denial.answer).toMatchObject({ code: 'AUDIT_TIMEOUT' })
    await onDisk(1)
    release()
    await recovered(ledger)
    expect(await denial.fate).toBe('stored')
  })

  test('when only a person can mend the database', async () => {
    const ledger = attach('always')
    answer = () => LASTING
    const denial = ledger.submit(anEvent(DENIAL), 'strict', 60_000)
    expect(await denial.answer).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await onDisk(1)
    await recovered(ledger)
    expect(await denial.fate).toBe('stored')
  })
})

describe('not on disk is', () => {
  test('a release whose caller was refused: it must not appear later', async () => {
    const ledger = attach('always')
    answer = () => FAILED
    const release = ledger.submit(anEvent(), 'strict', DEADLINE_MS)
    expect(await release.fate).toBe('dropped')
    ledger.submit(anEvent(), 'async')
    await onDisk(1)
    await recovered(ledger)
  })

  test('a denial that the database refuses, or that never got a place', async () => {
    const ledger = attach('always')
    answer = ({ entries }) => (entries.some(({ event }) => event.outcome !== 'lost') ? REFUSED : undefined)
    const denial = ledger.submit(anEvent(DENIAL), 'strict', 60_000)
    expect(await denial.fate).toBe('refused')
    await exporter.close(1000)
    const late = ledger.submit(anEvent(DENIAL), 'strict', 60_000)
    expect(await late.answer).toMatchObject({ code: 'AUDIT_CLOSED' })
    expect(spool.status).toEqual({ entries: 0, bytes: 0, quarantined: 0 })
  })

  test('a denial in `overflow` mode: nothing is, while the queue has room', async () => {
    const ledger = attach('overflow')
    answer = () => FAILED
    const denial = ledger.submit(anEvent(DENIAL), 'strict', DEADLINE_MS)
    await denial.answer
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(spool.status.entries).toBe(0)
    await recovered(ledger)
  })
})
