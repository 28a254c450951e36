import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeEvent } from '../../src/event/decode.js'
import { encodeEvent, EVENT_DOMAIN, eventDigest } from '../../src/event/digest.js'
import { buildEvent, rekeyEvent } from '../../src/event/event.js'
import { FIELDS } from '../../src/event/fields.js'
import { anyEvent } from './arbitrary-event.js'

const CANARY = 'canary-6f1c-of-decode'
const EVENT = buildEvent(
  {
    credential: CANARY,
    operation: 'get_credential',
    outcome: 'ok',
    notes: CANARY,
    attributes: { a: CANARY },
  },
  { auditId: 7n, occurredAt: 1_790_000_000_000_000 },
)
const field = (tag: number, bytes: Uint8Array | string): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.from(bytes).length)
  return Buffer.concat([Buffer.from([tag]), length, Buffer.from(bytes)])
}
const int8 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}
/** The fields that must be there, but for those given otherwise, and others behind them. */
const encoding = (given: Readonly<Record<number, Buffer | string | null>>): Buffer => {
  const fields = { 1: int8(7n), 2: int8(8n), 3: CANARY, 4: 'get_credential', 5: 'ok', ...given }
  const parts = Object.entries(fields).flatMap(([tag, bytes]) =>
    bytes === null ? [] : [field(Number(tag), bytes)],
  )
  return Buffer.concat([EVENT_DOMAIN, ...parts])
}

/** What becomes of bytes on a disk, or in the hands of somebody. */
const changed = fc
  .tuple(anyEvent, anyEvent, fc.nat(), fc.nat(), fc.nat(255), fc.nat(5))
  .map(([event, other, first, second, byte, way]): Buffer => {
    const bytes = encodeEvent(event)
    const at = first % bytes.length
    const end = at + (second % (bytes.length - at + 1))
    const [before, between, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)]
    if (way === 0) return before
    if (way === 1) return Buffer.concat([before, after])
    if (way === 2) return Buffer.concat([before, between, between, after])
    if (way === 3) return Buffer.concat([before, encodeEvent(other).subarray(at)])
    if (way === 4) return Buffer.concat([before, Buffer.from([byte]), bytes.subarray(at)])
    bytes[at] = byte
    return bytes
  })

describe('the bytes of an event', () => {
  it('make the same event, of the digest that is their SHA-256', () => {
    fc.assert(
      fc.property(anyEvent, fc.boolean(), (built, isRekeyed) => {
        const event = isRekeyed ? rekeyEvent(built) : built
        const bytes = encodeEvent(event)
        const decoded = decodeEvent(bytes)
        expect(decoded).toStrictEqual(event)
        expect(Object.isFrozen(decoded)).toBe(true)
        expect(eventDigest(decoded)).toEqual(createHash('sha256').update(bytes).digest())
      }),
      { numRuns: 500 },
    )
  })

  it('are copied: what becomes of them later changes no event', () => {
    const bytes = encodeEvent(EVENT)
    const decoded = decodeEvent(bytes)
    bytes.fill(0)
    expect(decoded).toStrictEqual(EVENT)
  })

  it('that were changed are refused, or are the bytes of what they are read as', () => {
    let refused = 0
    fc.assert(
      fc.property(changed, (bytes) => {
        let decoded
        try {
          decoded = decodeEvent(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          expect((error as Error).message).toMatch(/^its? /)
          refused++
          return
        }
        expect(encodeEvent(decoded).equals(bytes)).toBe(true)
      }),
      { numRuns: 3000 },
    )
    expect(refused).toBeGreaterThan(1000)
  })

  it('that are any at all are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, hasDomain) => {
        const given = hasDomain ? Buffer.concat([EVENT_DOMAIN, bytes]) : bytes
        expect(() => decodeEvent(given)).toThrow(/^its? /)
      }),
    )
  })

  it.each([
    ['nothing', Buffer.alloc(0), 'it is not an event of this version'],
    ['another version', Buffer.from(`otel-audit/event/v2\n${CANARY}`), 'it is not an event of this version'],
    ['an unknown tag', encoding({ 22: CANARY }), 'it has a field that events of this version do not have'],
    ['tag 0', Buffer.concat([encoding({}), field(0, CANARY)]), 'it has a field that'],
    ['a field twice', Buffer.concat([encoding({ 12: CANARY }), field(12, CANARY)]), 'or not at this place'],
    ['the order turned', Buffer.concat([encoding({ 12: CANARY }), field(6, CANARY)]), 'or not at this place'],
    ['a negative id', encoding({ 1: int8(-1n) }), 'its field auditId is missing or not valid'],
    ['a time that is no safe integer', encoding({ 2: int8(2n ** 53n + 1n) }), 'its field occurredAt is'],
    ['an integer of 7 bytes', encoding({ 7: Buffer.alloc(7) }), 'its integer with tag 7 is not of 8 bytes'],
    ['an integer of 0 bytes', encoding({ 7: '' }), 'its integer with tag 7 is not of 8 bytes'],
    [
      'text that is not UTF-8',
      encoding({ 12: Buffer.from([0x61, 0xff]) }),
      'its text with tag 12 is not UTF-8',
    ],
    ['a surrogate', encoding({ 12: Buffer.from([0xed, 0xa0, 0x80]) }), 'its text with tag 12 is not UTF-8'],
    ['an overlong form', encoding({ 12: Buffer.from([0xc1, 0xa1]) }), 'its text with tag 12 is not UTF-8'],
    ['a text cut off', encodeEvent(EVENT).subarray(0, -1), 'its field with tag 20 is cut off'],
    [
      'a length cut off',
      Buffer.concat([encoding({}), Buffer.from([12, 0, 0])]),
      'its field with tag 12 is cut off',
    ],
    ['a length of 4 GiB', Buffer.concat([encoding({}), Buffer.from([12, 255, 255, 255, 255])]), 'cut off'],
  ])('%s: refused, and nothing of it is quoted', (_, bytes, message) => {
    let said = ''
    try {
      decodeEvent(bytes)
    } catch (error) {
      said = String((error as Error).stack)
    }
    expect(said).toContain(message)
    expect(said).not.toContain(CANARY)
  })

  it.each(FIELDS.filter(({ required }) => required === true))('without $name: refused', ({ tag, name }) => {
    expect(() => decodeEvent(encoding({ [tag]: null }))).toThrow(`its field ${name} is missing or not valid`)
  })

  it('keep text that has the replacement character, a byte order mark, or no character', () => {
    for (const notes of ['\ufffd', 'a\ufffdb', '\ufeffa', '']) {
      const event = { ...EVENT, notes }
      expect(decodeEvent(encodeEvent(event))).toEqual(event)
    }
  })
})
