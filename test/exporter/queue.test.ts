import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Entry } from '../../src/exporter/entry.js'
import { Lane } from '../../src/exporter/queue.js'
import { Ticket } from '../../src/contract/ticket.js'
import { anEvent } from '../support/events.js'

function anEntry(): Entry {
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(anEvent())
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
          const entries = Array.from({ length: call.count }, anEntry)
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
