import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeUtf8 } from '../../src/event/utf8.js'
import { anyText } from './arbitrary-event.js'

test('a text is written as Node writes it, and nothing behind it', () => {
  const atTheEdge = fc.integer({ min: 62, max: 66 }).map((length) => 'x'.repeat(length))
  const lastUnit = fc.constantFrom('', 'é', '€', '\ud83d\ude00', '\ud83d', '\u0080', '\u007f')
  const text = fc.oneof(
    anyText,
    fc.tuple(atTheEdge, lastUnit).map(([most, last]) => most + last),
  )
  fc.assert(
    fc.property(text, fc.nat(9), (given, at) => {
      const into = Buffer.alloc(at + given.length * 3 + 4)
      const length = writeUtf8(into, given, at)
      const expected = Buffer.from(given, 'utf8')
      expect(length).toBe(expected.length)
      expect(into.subarray(at, at + length)).toEqual(expected)
    }),
    { numRuns: 500 },
  )
})
