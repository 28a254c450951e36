import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventTime } from '../../src/event/time.js'

const NOW = Date.UTC(2026, 4, 1)
const HOUR = 3_600_000

describe('the time of an event', () => {
  it('is taken in microseconds, from a Date in milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2024, 0, 1), max: NOW }), fc.nat(999), (ms, micros) => {
        expect(eventTime(new Date(ms), NOW)).toBe(ms * 1000)
        expect(eventTime(ms * 1000 + micros, NOW)).toBe(ms * 1000 + micros)
      }),
    )
  })

  it('may be up to 24 h ahead of the clock', () => {
    expect(eventTime(new Date(NOW + 24 * HOUR), NOW)).toBe((NOW + 24 * HOUR) * 1000)
  })

  it.each<[string, unknown, string]>([
    ['more than 24 h ahead', new Date(NOW + 24 * HOUR + 1), '24 h'],
    ['before 2024', new Date(Date.UTC(2024, 0, 1) - 1), '2024'],
    ['in milliseconds', NOW, 'were milliseconds given?'],
    ['an invalid Date', new Date(Number.NaN), 'must be a Date or an integer'],
    ['a fraction', NOW * 1000 + 0.5, 'must be a Date or an integer'],
    ['a text', '2026-05-01', 'must be a Date or an integer'],
    ['a bigint', BigInt(NOW) * 1000n, 'must be a Date or an integer'],
    ['null', null, 'must be a Date or an integer'],
  ])('%s is refused', (_, given, message) => {
    expect(() => eventTime(given, NOW)).toThrow(
      expect.objectContaining({
        code: 'AUDIT_INVALID_EVENT',
        field: 'occurredAt',
        message: expect.stringContaining(message),
      }),
    )
  })
})
