import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { encodeEvent, eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { Spool, SpooledEvent, SpoolKey } from '../../src/spool/spool.js'
import { anyEvent } from '../event/arbitrary-event.js'
import { anEvent } from '../support/events.js'

const GENEROUS = 64 * 1024 * 1024

/** What every spool must do. @param open a new, empty spool */
export function describeSpool(name: string, open: (maxBytes: number) => Promise<Spool>): void {
  describe(`${name} as a spool`, () => {
    const opened: Spool[] = []
    const spoolOf = async (maxBytes = GENEROUS): Promise<Spool> => {
      const spool = await open(maxBytes)
      opened.push(spool)
      return spool
    }

    afterEach(async () => {
      for (const spool of opened.splice(0)) await spool.close()
    })

    test('gives events back as they were, whatever is in them', async () => {
      const spool = await spoolOf()
      await fc.assert(
        fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 5 }), async (events) => {
          await spool.putBack(await spool.append(events))
          const read = await spool.next(events.length)
          expect(read.map(({ event }) => event)).toEqual(events)
          expect(read.map(({ event }) => eventDigest(event))).toEqual(events.map(eventDigest))
          expect(read.every(({ event }) => Object.isFrozen(event))).toBe(true)
          await spool.remove(keysOf(read))
        }),
        { numRuns: 50 },
      )
      expect(spool.status).toEqual({ entries: 0, bytes: 0, quarantined: 0 })
    })

    test('what was appended is in the hands of the process', async () => {
      const spool = await spoolOf()
      const keys = await spool.append([anEvent(), anEvent()])
      expect(new Set(keys).size).toBe(2)
      expect(await spool.next(10)).toEqual([])
      await spool.putBack(keys)
      expect(await spool.next(10)).toHaveLength(2)
    })

    test('hands out the oldest first, and nothing twice before it is put back', async () => {
      const spool = await spoolOf()
      const events = Array.from({ length: 5 }, () => anEvent())
      for (const event of events) await spool.putBack(await spool.append([event]))
      const first = await spool.next(2)
      const second = await spool.next(2)
      expect(eventsOf([...first, ...second])).toEqual(events.slice(0, 4))
      await spool.putBack(keysOf(first).slice(1))
      expect(eventsOf(await spool.next(10))).toEqual([events[1], events[4]])
    })

    test('does with any sequence of calls what a list would do', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyCall, { maxLength: 30 }), async (calls) => {
          const spool = await open(GENEROUS)
          try {
            const model = new ListSpool()
            for (const call of calls) await model.runBoth(spool, call)
          } finally {
            await spool.close()
          }
        }),
        { numRuns: 25 },
      )
    })

    test('ignores keys that are not in the hands of the process', async () => {
      const spool = await spoolOf()
      const [key = 0] = await spool.append([anEvent()])
      await spool.putBack([key])
      await spool.remove([key, 4711])
      await spool.quarantine(key, 'a stale key')
      await spool.putBack([key, 4711])
      expect(spool.status).toMatchObject({ entries: 1, quarantined: 0 })
      const [again] = await spool.next(10)
      expect(again?.key).not.toBe(key)
      await spool.remove([again?.key ?? 0, again?.key ?? 0])
      expect(spool.status).toEqual({ entries: 0, bytes: 0, quarantined: 0 })
    })

    test('keeps within its bound: an append over it is refused as a whole, and those that fit are taken', async () => {
      const one = anEvent()
      const probe = await spoolOf()
      await probe.append([one])
      const size = probe.status.bytes
      expect(size).toBeGreaterThan(encodeEvent(one).length)
      const spool = await spoolOf(3 * size)
      const keys = await spool.append([one, one])
      await expect(spool.append([one, one])).rejects.toMatchObject({ name: 'SpoolRefusal', reason: 'full' })
      expect(spool.status).toEqual({ entries: 2, bytes: 2 * size, quarantined: 0 })
      // One that fits is taken although others were refused at the same moment.
      const together = await Promise.allSettled([
        spool.append([one, one]),
        spool.append([one]),
        spool.append([one]),
      ])
      expect(together.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
      expect(spool.status.bytes).toBe(3 * size)
      await spool.quarantine(keys[0] ?? 0, 'it counts on')
      await expect(spool.append([one])).rejects.toMatchObject({ reason: 'full' })
      expect(spool.status).toEqual({ entries: 2, bytes: 3 * size, quarantined: 1 })
      await spool.remove(keys)
      await spool.append([one])
    })

    test('what is quarantined is not handed out any more', async () => {
      const spool = await spoolOf()
      const events = [anEvent(), anEvent()]
      await spool.putBack(await spool.append(events))
      const [first, second] = await spool.next(10)
      await spool.quarantine(first?.key ?? 0, 'a constraint\nof two lines')
      await spool.putBack([first?.key ?? 0, second?.key ?? 0])
      expect(eventsOf(await spool.next(10))).toEqual([events[1]])
      expect(spool.status).toMatchObject({ entries: 1, quarantined: 1 })
    })

    test('takes and gives nothing, when asked for nothing', async () => {
      const spool = await spoolOf()
      expect(await spool.append([])).toEqual([])
      await spool.putBack(await spool.append([anEvent()]))
      expect(await spool.next(0)).toEqual([])
      await spool.remove([])
      expect(spool.status.entries).toBe(1)
    })

    test('after close everything is refused, what was asked before is served, and closing twice is fine', async () => {
      const spool = await spoolOf()
      const asked = Array.from({ length: 20 }, () => spool.append([anEvent()]))
      const closed = spool.close()
      const late = [spool.append([anEvent()]), spool.next(1), spool.remove([1]), spool.putBack([1])]
      for (const call of [...late, spool.quarantine(1, 'late')]) {
        await expect(call).rejects.toMatchObject({ name: 'SpoolRefusal', reason: 'unavailable' })
      }
      expect((await Promise.all(asked)).flat()).toHaveLength(20)
      await closed
      await spool.close()
      expect(spool.status.entries).toBe(20)
    })
  })
}

/** A call, and which of the handed-out entries it takes (of `n`, every one whose bit is set). */
type Call =
  | { readonly what: 'append' | 'next'; readonly n: number }
  | { readonly what: 'remove' | 'putBack' | 'quarantine'; readonly bits: number }

const anyCall: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ what: fc.constantFrom('append' as const, 'next' as const), n: fc.nat(6) }),
  fc.record({
    what: fc.constantFrom('remove' as const, 'putBack' as const, 'quarantine' as const),
    bits: fc.nat(255),
  }),
)

/** The contract, as a list that is searched from the front. */
class ListSpool {
  readonly #entries: { readonly event: AuditEvent; key: SpoolKey | undefined }[] = []
  #quarantined = 0

  async runBoth(spool: Spool, call: Call): Promise<void> {
    if (call.what === 'append') {
      const events = Array.from({ length: call.n }, () => anEvent())
      const keys = await spool.append(events)
      events.forEach((event, i) => this.#entries.push({ event, key: keys[i] }))
    } else if (call.what === 'next') {
      const expected = this.#entries.filter(({ key }) => key === undefined).slice(0, call.n)
      const read = await spool.next(call.n)
      expect(eventsOf(read)).toEqual(expected.map(({ event }) => event))
      expected.forEach((entry, i) => {
        entry.key = read[i]?.key
      })
    } else if ('bits' in call) {
      await this.#finish(spool, call.what, call.bits)
    }
    expect(spool.status).toMatchObject({ entries: this.#entries.length, quarantined: this.#quarantined })
  }

  async #finish(spool: Spool, what: 'remove' | 'putBack' | 'quarantine', bits: number): Promise<void> {
    const held = this.#entries.filter(({ key }) => key !== undefined)
    const chosen = held.filter((_, i) => ((bits >> (i % 8)) & 1) === 1)
    const keys = chosen.map(({ key }) => key ?? 0)
    if (what === 'quarantine') for (const key of keys) await spool.quarantine(key, 'chosen')
    else await spool[what](keys)
    for (const entry of chosen) {
      if (what === 'putBack') entry.key = undefined
      else this.#entries.splice(this.#entries.indexOf(entry), 1)
    }
    if (what === 'quarantine') this.#quarantined += chosen.length
  }
}

function keysOf(read: readonly SpooledEvent[]): SpoolKey[] {
  return read.map(({ key }) => key)
}

function eventsOf(read: readonly SpooledEvent[]): AuditEvent[] {
  return read.map(({ event }) => event)
}
