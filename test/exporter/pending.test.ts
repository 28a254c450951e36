import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { buildEvent } from '../../src/event/event.js'
import { SnowflakeGenerator } from '../../src/event/snowflake.js'
import { Entry } from '../../src/exporter/entry.js'
import { Pending } from '../../src/exporter/pending.js'
import { Ticket } from '../../src/contract/ticket.js'

const ids = new SnowflakeGenerator(0)

function anEntry(): Entry {
  const ticket = new Ticket('async', 0, 0)
  const fields = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const
  ticket.seal(buildEvent(fields, { auditId: ids.next(Date.now()), occurredAt: 0 }))
  return new Entry(ticket)
}

test('events come at the end, leave from anywhere, once, and are told oldest first, as from a Set', () => {
  const step = fc.oneof(fc.constant('come' as const), fc.nat(20))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const pending = new Pending()
      const model = new Set<Entry>()
      const gone: Entry[] = []
      for (const step of steps) {
        if (step === 'come') {
          const entry = anEntry()
          pending.add(entry)
          model.add(entry)
        } else {
          const entry = [...model, ...gone][step % Math.max(1, model.size + gone.length)]
          if (entry === undefined) continue
          pending.delete(entry)
          if (model.delete(entry)) gone.push(entry)
        }
        expect(pending.size).toBe(model.size)
        expect(pending.oldest).toBe([...model][0])
        expect(pending.all()).toEqual([...model])
      }
      for (const entry of gone) {
        expect([entry.isPending, entry.older, entry.younger]).toEqual([false, undefined, undefined])
      }
      expect([...model].every(({ isPending }) => isPending)).toBe(true)
    }),
    { numRuns: 50 },
  )
})
