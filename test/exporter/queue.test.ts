import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Entry } from '../../src/exporter/entry.js'
import { AuditQueue, Lane, withoutTwins } from '../../src/exporter/queue.js'
import { type AuditMode, Ticket } from '../../src/contract/ticket.js'
import { anEvent } from '../support/events.js'

function anEntry(auditId?: bigint, mode: AuditMode = 'async'): Entry {
  const ticket = new Ticket(mode, 0, 0)
  ticket.seal(anEvent({}, auditId === undefined ? {} : { auditId }))
  return new Entry(ticket)
}

const step = fc.oneof(
  fc.record({ what: fc.constant('push' as const) }),
  fc.record({ what: fc.constant('unshift' as const), count: fc.nat(3) }),
  fc.record({ what: fc.constant('shift' as const) }),
  fc.record({ what: fc.constant('remove' as const), at: fc.nat(9) }),
  fc.record({ what: fc.constant('drain' as const) }),
)

test('does with any sequence of calls what a list does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const lane = new Lane()
      let list: Entry[] = []
      for (const call of steps) {
        if (call.what === 'push') {
          const entry = anEntry()
          lane.push(entry)
          list.push(entry)
        } else if (call.what === 'unshift') {
          const entries = Array.from({ length: call.count }, () => anEntry())
          lane.unshift(entries)
          list = [...entries, ...list]
        } else if (call.what === 'shift') {
          expect(lane.shift()).toBe(list.shift())
        } else if (call.what === 'remove') {
          const entry = list[call.at] ?? anEntry()
          expect(lane.remove(entry)).toBe(list.includes(entry))
          list = list.filter((other) => other !== entry)
        } else {
          expect(lane.drain()).toEqual(list.splice(0))
        }
        expect(lane.length).toBe(list.length)
        expect(lane.first).toBe(list[0])
      }
      expect(lane.drain()).toEqual(list)
    }),
  )
})

test('an entry waits in one lane at most: another one does not take it out', () => {
  const [lane, other, entry] = [new Lane(), new Lane(), anEntry()]
  lane.push(entry)
  expect(other.remove(entry)).toBe(false)
  expect(lane.drain()).toEqual([entry])
  other.push(entry)
  expect(other.first).toBe(entry)
})

const ids = (entries: readonly Entry[]): bigint[] => entries.map(({ event }) => event.auditId)

describe('no id twice in a batch', () => {
  test('the first of each id, the second of each, and so on, in their order', () => {
    const entries = [1n, 2n, 1n, 3n, 1n, 2n].map((id) => anEntry(id))
    const parts = withoutTwins(entries)
    expect(parts.map(ids)).toEqual([[1n, 2n, 3n], [1n, 2n], [1n]])
    expect(parts[1]?.[0]).toBe(entries[2])
    expect(withoutTwins([])).toEqual([])
  })

  test('whatever the ids: every event in one part, no id twice in any', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 1n, max: 9n }), { maxLength: 30 }), (given) => {
        const entries = given.map((id) => anEntry(id))
        const parts = withoutTwins(entries)
        for (const part of parts) expect(new Set(ids(part)).size).toBe(part.length)
        expect(new Set(parts.flat())).toEqual(new Set(entries))
        expect(parts.flat()).toHaveLength(entries.length)
      }),
    )
  })

  test('a twin waits for the next batch, in front of its lane', () => {
    const queue = new AuditQueue({ queueRows: 10, queueBytes: 1_000_000 })
    const entries = [anEntry(1n, 'strict'), anEntry(2n), anEntry(1n), anEntry(2n), anEntry(3n)]
    for (const entry of entries) {
      queue.reserve(entry)
      queue.enqueue(entry)
    }
    const bounds = { batchRows: 4, batchBytes: 1_000_000 }
    expect(ids(queue.take(bounds))).toEqual([1n, 2n])
    expect(queue.take(bounds)).toEqual(entries.slice(2))
    expect(queue.waiting).toBe(0)
  })
})

test('an event that waits keeps its place', () => {
  const queue = new AuditQueue({ queueRows: 10, queueBytes: 1_000_000 })
  const entry = anEntry()
  queue.reserve(entry)
  queue.enqueue(entry)
  expect(() => queue.release(entry)).toThrow('gave up its place while it waits')
  expect(queue.held).toBe(1)
  queue.remove(entry)
  queue.release(entry)
  expect(queue.held).toBe(0)
})
