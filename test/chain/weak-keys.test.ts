import { createHash } from 'node:crypto'
import { VerifierKey } from 'otel-audit/chain'
import { describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'

// Keys under which one signature fits many texts, and second spellings of a key. RFC 8032 leaves open what becomes of them.

/** The eight points whose order divides 8, as RFC 8032 writes them. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
]

/** Other spellings of them, and of points that are fine: y is not below 2^255 − 19, or x is 0 with a sign. */
const NOT_CANONICAL = [
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  ...Array.from({ length: 19 }, (_, i) => {
    const low = (0xed + i).toString(16)
    return [`${low}${'ff'.repeat(30)}7f`, `${low}${'ff'.repeat(30)}ff`]
  }).flat(),
]

function verifierKeyOf(hex: string, name = 'otel-audit/wallet/enrolment'): string {
  const key = Buffer.from(`01${hex}`, 'hex')
  const id = createHash('sha256').update(`${name}\n`).update(key).digest('hex').slice(0, 8)
  return `${name}+${id}+${key.toString('base64')}`
}

describe('a verifier key', () => {
  test.each([...SMALL_ORDER, ...NOT_CANONICAL])('of the bytes %s is refused', (hex) => {
    expect(() => VerifierKey.parse(verifierKeyOf(hex))).toThrow(
      expect.objectContaining({ code: 'AUDIT_NOTE_MALFORMED' }),
    )
    expect(() => new VerifierKey('x', Buffer.from(hex, 'hex'))).toThrow('not an Ed25519 public key')
  })

  test('that somebody made is not, nor are neighbours of the refused', () => {
    for (let i = 0; i < 64; i++) {
      const { verifierKey } = generateNoteKey('x')
      expect(VerifierKey.parse(verifierKey).toString()).toBe(verifierKey)
    }
    // y = 2^255 − 21, and y = 2: whatever they are, they are spelled as they must be, and of no small order.
    for (const hex of [`eb${'ff'.repeat(30)}7f`, `02${'00'.repeat(31)}`]) {
      expect(VerifierKey.parse(verifierKeyOf(hex)).publicKey).toEqual(Buffer.from(hex, 'hex'))
    }
  })
})
