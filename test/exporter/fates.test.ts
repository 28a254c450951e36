import { expect, test } from 'vitest'
import { Ticket } from '../../src/contract/ticket.js'
import { Entry, type Generation } from '../../src/exporter/entry.js'
import { Fates, Generations } from '../../src/exporter/fates.js'
import { AuditQueue } from '../../src/exporter/queue.js'
import { GapLedger } from '../../src/exporter/self-report.js'
import { AuditMetrics } from '../../src/otel/metrics.js'
import { anEvent } from '../support/events.js'

/** Barriers that have been passed, by name, after the microtasks that tell so. */
function watching(): { passed: string[]; put(generations: Generations, name: string): void } {
  const passed: string[] = []
  return { passed, put: (generations, name) => void generations.barrier().then(() => passed.push(name)) }
}

const told = (): Promise<void> => new Promise(setImmediate)

test('a barrier waits for all that came before it, and for nothing that came after', async () => {
  const { passed, put } = watching()
  const generations = new Generations()
  put(generations, 'at nothing')
  await told()
  expect(passed).toEqual(['at nothing'])
  const before = [generations.enter(), generations.enter()] as [Generation, Generation]
  put(generations, 'first')
  put(generations, 'beside it')
  const between = generations.enter()
  put(generations, 'second')
  const after = generations.enter()
  generations.leave(after)
  generations.leave(between)
  generations.leave(before[1])
  await told()
  expect(passed).toEqual(['at nothing'])
  generations.leave(before[0])
  await told()
  expect(passed).toEqual(['at nothing', 'first', 'beside it', 'second'])
})

test('goes on after any number of barriers and events', async () => {
  const { passed, put } = watching()
  const generations = new Generations()
  for (let round = 0; round < 1000; round++) {
    const entered = generations.enter()
    put(generations, `${round}`)
    if (round % 3 === 0) put(generations, `${round} again`)
    generations.leave(entered)
  }
  await told()
  expect(passed).toHaveLength(1334)
})

test('a fate is written down once: an event that has one is neither counted nor told again', () => {
  const queue = new AuditQueue({ queueRows: 10, queueBytes: 1_000_000 })
  const metrics = new AuditMetrics()
  const stored: Entry[] = []
  const fates = new Fates(queue, metrics, new GapLedger(), { stored: (entry) => stored.push(entry) })
  const told: string[] = []
  fates.onSettled((_, fate) => told.push(fate))
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(anEvent())
  const entry = new Entry(ticket)
  fates.emitted(entry, 'direct')
  queue.reserve(entry)
  fates.accepted(entry)
  entry.to('sent')
  fates.stored(entry)
  const before = fates.stats()
  const fault = { code: 'AUDIT_REJECTED', message: 'a bad row' } as const
  for (const again of [
    () => fates.stored(entry),
    () => fates.dropped(entry, 'closed', ''),
    () => fates.refused(entry, fault),
    () => fates.quarantined(entry, fault),
    () => fates.spooled(entry),
    () => fates.turnedAway(entry, 'closed', ''),
  ]) {
    expect(again).toThrow('a bug in otel-audit')
  }
  expect(fates.stats()).toEqual(before)
  expect(before).toMatchObject({ emitted: 1, written: 1, pending: 0 })
  expect([told, stored, queue.held]).toEqual([['stored'], [entry], 0])
})
