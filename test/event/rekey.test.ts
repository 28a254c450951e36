import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventDigest } from '../../src/event/digest.js'
import { rekeyEvent } from '../../src/event/event.js'
import { redateEvent } from '../../src/event/redate.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import { anyEvent } from './arbitrary-event.js'

describe('a re-keyed event', () => {
  it('is the same event in the same millisecond, its lower 22 bits from SHA-256 of its digest', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const rekeyed = rekeyEvent(event)
        const hash = createHash('sha256').update(eventDigest(event)).digest()
        const lower = BigInt(hash.readUInt32BE(0) % 2 ** 22)
        expect(rekeyed).toEqual({
          ...event,
          auditId: (event.auditId / 2n ** 22n) * 2n ** 22n + lower,
          originalAuditId: event.auditId,
        })
        expect(snowflakeTime(rekeyed.auditId)).toBe(snowflakeTime(event.auditId))
        expect(Object.isFrozen(rekeyed)).toBe(true)
        expect(eventDigest(rekeyed).equals(eventDigest(event))).toBe(false)
      }),
    )
  })

  it('is the same each time, so a replay finds its first copy', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const replayed = { ...event }
        expect(rekeyEvent(replayed)).toEqual(rekeyEvent(event))
      }),
    )
  })

  it('can be re-keyed again, and still names the id it had first', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const once = rekeyEvent(event)
        const twice = rekeyEvent(once)
        expect(twice.originalAuditId).toBe(event.auditId)
        expect(snowflakeTime(twice.auditId)).toBe(snowflakeTime(event.auditId))
        expect(eventDigest(twice).equals(eventDigest(once))).toBe(false)
      }),
    )
  })

  it('leaves the two that collided with different ids', () => {
    fc.assert(
      fc.property(anyEvent, anyEvent, (first, second) => {
        const other = { ...second, auditId: first.auditId }
        fc.pre(!eventDigest(first).equals(eventDigest(other)))
        expect(rekeyEvent(other).auditId).not.toBe(rekeyEvent(first).auditId)
      }),
    )
  })
})

describe('an event that gets an id of the store’s time', () => {
  const anyHour = fc.integer({ min: 475_000, max: 1_000_000 })

  it('is the same event in that hour, the same each time, and another hour is another id', () => {
    fc.assert(
      fc.property(anyEvent, anyHour, fc.nat(3_599_999), (event, hour, within) => {
        const dated = redateEvent(event, hour * 3_600_000 + within)
        expect(Math.floor(snowflakeTime(dated.auditId) / 3_600_000)).toBe(hour)
        expect(dated).toEqual({
          ...event,
          auditId: dated.auditId,
          originalAuditId: event.originalAuditId ?? event.auditId,
        })
        expect(Object.isFrozen(dated)).toBe(true)
        expect(redateEvent({ ...event }, hour * 3_600_000)).toEqual(dated)
        expect(redateEvent(event, (hour + 1) * 3_600_000).auditId).not.toBe(dated.auditId)
      }),
    )
  })
})
