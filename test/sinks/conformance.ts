import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEvent } from '../../src/event/event.js'
import type { AuditSink } from '../../src/contract/sink.js'
import { anEvent, batchOf, entryOf } from '../support/events.js'
import type { TrailRow } from '../support/trail.js'

/** A store for sinks to be tested with. */
export interface SinkBench {
  /** A sink on the store, which is empty. */
  open(): Promise<AuditSink>
  /** What the store has. */
  rows(): Promise<readonly TrailRow[]>
  /** Makes a row that has no digest, where there can be one. */
  insertForeign?(auditId: bigint): Promise<void>
  close(): Promise<void>
}

/**
 * Holds a sink to the contract of `AuditSink`.
 *
 * @param hasForeignRows whether its store may have rows that others made
 */
export function describeAuditSink(
  name: string,
  makeBench: () => Promise<SinkBench>,
  hasForeignRows = false,
): void {
  describe(`${name}, as an AuditSink`, () => {
    let bench: SinkBench
    let sink: AuditSink

    beforeAll(async () => {
      bench = await makeBench()
    })

    afterAll(() => bench.close())

    beforeEach(async () => {
      sink = await bench.open()
    })

    afterEach(() => sink.close())

    const some = (count: number): AuditEvent[] => Array.from({ length: count }, () => anEvent())
    const stored = async (): Promise<AuditEvent[]> => (await bench.rows()).map(({ event }) => event)

    test('has a name', () => {
      expect(sink.sinkId).toMatch(/^[a-z]+$/)
    })

    test.each([1, 2, 512, 3000])('stores a batch of %i, whole', async (count) => {
      const events = some(count)
      const before = await stored()
      const result = await sink.write(batchOf(...events))
      expect(result.status).toBe('committed')
      expect(await stored()).toEqual([...before, ...events])
    })

    test('says when, in µs', async () => {
      const result = await sink.write(batchOf(anEvent()))
      if (result.status !== 'committed') throw new Error(result.status)
      expect(Number.isSafeInteger(result.committedAt)).toBe(true)
      expect(new Date(result.committedAt / 1000).getUTCFullYear()).toBeGreaterThanOrEqual(2024)
    })

    test('a taken id: conflict, with what holds it, and nothing of the write is stored', async () => {
      const [old, colliding, fresh] = [anEvent(), anEvent(), anEvent()]
      await sink.write(batchOf(old))
      const before = await stored()
      const batch = batchOf(fresh, colliding, { ...colliding, auditId: old.auditId })
      expect(await sink.write(batch)).toEqual({
        status: 'conflict',
        held: new Map([[old.auditId, entryOf(old).digest]]),
      })
      expect(await stored()).toEqual(before)
    })

    test('the same batch again: conflict, with its own digests', async () => {
      const batch = batchOf(...some(5))
      await sink.write(batch)
      const held = new Map(batch.entries.map(({ event, digest }) => [event.auditId, digest]))
      expect(await sink.write(batch)).toEqual({ status: 'conflict', held })
    })

    test('an event that is known, and one that collides, in one batch: both are told', async () => {
      const [known, taken] = some(2) as [AuditEvent, AuditEvent]
      await sink.write(batchOf(known, taken))
      const result = await sink.write(batchOf(known, anEvent(), { ...anEvent(), auditId: taken.auditId }))
      expect(result).toEqual({
        status: 'conflict',
        held: new Map([
          [known.auditId, entryOf(known).digest],
          [taken.auditId, entryOf(taken).digest],
        ]),
      })
    })

    if (hasForeignRows) {
      test('a row without a digest holds its id', async () => {
        const event = anEvent()
        await bench.insertForeign?.(event.auditId)
        const held = new Map([[event.auditId, null]])
        expect(await sink.write(batchOf(event))).toEqual({ status: 'conflict', held })
      })
    }

    test('goes on after a conflict', async () => {
      const event = anEvent()
      await sink.write(batchOf(event))
      await sink.write(batchOf(event))
      expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    })

    test('is closed any number of times, used or not', async () => {
      const other = await bench.open()
      await other.close()
      await Promise.all([sink.close(), sink.close()])
      await sink.close()
    })
  })
}
