import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { drainSpool } from '../../src/cli/run/spool-drain.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { anEvent, entryOf } from '../support/events.js'
import { FAILED, REFUSED } from '../support/faults.js'

const BATCH = 10
const PATIENT = { batchRows: BATCH, patienceMs: 1000, onProgress: () => {} }

let spool: MemorySpool

beforeEach(() => {
  spool = new MemorySpool(1024 ** 2)
  // Nothing looks after the spool now and then: it is looked after when something got through.
  vi.useFakeTimers({ toFake: ['setInterval'] })
})

afterEach(() => void vi.useRealTimers())

async function spooled(count: number) {
  const events = Array.from({ length: count }, () => anEvent())
  await spool.putBack(await spool.append(events))
  return events
}

describe('draining a spool', () => {
  test('stores everything, in batches', async () => {
    const events = await spooled(5 * BATCH + 1)
    const sink = new RecordingAuditSink()
    expect(await drainSpool(spool, sink, PATIENT)).toEqual({
      stored: events.length,
      quarantined: 0,
      left: 0,
      fault: undefined,
    })
    expect(sink.events).toEqual(events)
  })

  test('stores everything, also when the queue has room for one batch only', async () => {
    const events = await spooled(3 * BATCH)
    const sink = new RecordingAuditSink()
    const narrow = { ...PATIENT, queueRows: BATCH }
    expect(await drainSpool(spool, sink, narrow)).toMatchObject({ stored: events.length, left: 0 })
    expect(sink.events).toEqual(events)
  })

  test('goes on after batches that are all found stored', async () => {
    const events = await spooled(4 * BATCH)
    const sink = new RecordingAuditSink()
    sink.store({ entries: events.slice(0, 2 * BATCH).map(entryOf) })
    expect(await drainSpool(spool, sink, PATIENT)).toMatchObject({ stored: events.length, left: 0 })
    expect(sink.events).toEqual(events)
  })

  test('goes on after batches that are refused as a whole', async () => {
    const bad = await spooled(2 * BATCH)
    const good = await spooled(2 * BATCH)
    const isBad = new Set(bad.map(({ auditId }) => auditId))
    const sink = new RecordingAuditSink(({ entries }) =>
      entries.some(({ event }) => isBad.has(event.auditId)) ? REFUSED : undefined,
    )
    expect(await drainSpool(spool, sink, PATIENT)).toMatchObject({
      stored: good.length,
      quarantined: bad.length,
      left: 0,
    })
    expect(sink.events).toEqual(good)
  })

  test('gives up when nothing gets through, and leaves everything where it is', async () => {
    const events = await spooled(3 * BATCH)
    const sink = new RecordingAuditSink(() => FAILED)
    const told: (string | undefined)[] = []
    const onProgress = ({ fault }: { fault: string | undefined }) => void told.push(fault)
    expect(await drainSpool(spool, sink, { ...PATIENT, onProgress })).toEqual({
      stored: 0,
      quarantined: 0,
      left: events.length,
      fault: FAILED.status === 'failed' ? FAILED.fault.message : '',
    })
    expect(told.at(-1)).toBe('starting up')
    expect(spool.status.entries).toBe(events.length)
  })
})
