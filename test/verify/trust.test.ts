import { describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { NO_TRUST, parseTrust } from '../../src/verify/trust.js'

const KEY = generateNoteKey('otel-audit/wallet/enrolment').verifierKey

const TRAIL = '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'
const HEAD = `head ${TRAIL} 3 ${'ab'.repeat(32)}`

describe('a trust file', () => {
  test('says what an auditor knows', () => {
    const { enrolment, ...trust } = parseTrust(`# the wallet, 2026
origin otel-audit/wallet
enrolment ${KEY}   # the operator's key
\tenrolment ${KEY}

unsigned before 384299930694800793
rows-from 12\r\n`)
    expect(trust).toEqual({
      origin: 'otel-audit/wallet',
      unsigned: { before: 384_299_930_694_800_793n },
      rowsFrom: 12n,
    })
    expect(enrolment.map(String)).toEqual([KEY, KEY])
  })

  test.each(['none', 'any'] as const)('says what unsigned rows mean: %s', (unsigned) => {
    expect(parseTrust(`unsigned ${unsigned}`)).toEqual({ ...NO_TRUST, unsigned })
  })

  test('may begin with a byte order mark', () => {
    expect(parseTrust('\uFEFForigin x\r\nunsigned none\r\n')).toEqual({
      ...NO_TRUST,
      origin: 'x',
      unsigned: 'none',
    })
  })

  test('says which trail it is of, on which servers, and what was there when trust began', () => {
    const text = `trail ${TRAIL}\ntrail ${'0'.repeat(32)}\nsystem 7412345678901234567\nsystem 1\n${HEAD}\nunenrolled before 7\n`
    expect(parseTrust(text)).toEqual({
      ...NO_TRUST,
      trails: [TRAIL, '0'.repeat(32)],
      systems: ['7412345678901234567', '1'],
      heads: [{ chain: TRAIL, block: 3, hash: Buffer.alloc(32, 0xab) }],
      unenrolledBefore: 7n,
    })
  })

  test('may say nothing', () => {
    expect(parseTrust('')).toEqual(NO_TRUST)
  })

  test.each([
    ['an unknown statement', 'origin x\nfoo', 'line 2'],
    ['a statement twice', 'origin x\norigin x', 'line 2'],
    ['unsigned twice', 'unsigned any\nunsigned any', 'line 2'],
    ['no value', 'origin', 'line 1'],
    ['too many values', 'origin a b', 'line 1'],
    ['a name with a plus', 'origin a+b', 'line 1'],
    ['a key that is none', 'enrolment x', 'line 1'],
    ['an unknown policy', 'unsigned maybe', 'line 1'],
    ['a policy with too much', 'unsigned none 3', 'line 1'],
    ['no id', 'unsigned before', 'line 1'],
    ['an id that is none', 'rows-from x', 'line 1'],
    ['a negative id', 'rows-from -1', 'line 1'],
    ['a negative id for what is unsigned', 'unsigned before -5', 'line 1'],
    ['an id with a plus', 'rows-from +5', 'line 1'],
    ['rows-from twice', 'rows-from 1\nrows-from 1', 'line 2'],
    ['a statement in capitals', 'Origin x', 'line 1'],
    ['no trail', 'origin x\ntrail', 'line 2'],
    ['a trail in capitals', `trail ${TRAIL.toUpperCase()}`, 'line 1'],
    ['a trail that is too short', `trail ${TRAIL.slice(1)}`, 'line 1'],
    ['a trail with more', `trail ${TRAIL} 2`, 'line 1'],
    ['a server that is none', 'system -', 'line 1'],
    ['a server with leading zeros', 'system 07', 'line 1'],
    ['a server with too many digits', `system ${'1'.repeat(21)}`, 'line 1'],
    ['half a head', `head ${TRAIL} 3`, 'line 1'],
    ['a head of a chain that is none', `head x 3 ${'ab'.repeat(32)}`, 'line 1'],
    ['a head with a negative number', `head ${TRAIL} -1 ${'ab'.repeat(32)}`, 'line 1'],
    ['a head with a number that is too large', `head ${TRAIL} 9007199254740992 ${'ab'.repeat(32)}`, 'line 1'],
    ['a head in base64', `head ${TRAIL} 3 ${Buffer.alloc(32).toString('base64')}`, 'line 1'],
    ['a head with more', `head ${TRAIL} 3 ${'ab'.repeat(32)} x`, 'line 1'],
    ['a head twice', `${HEAD}\n\n${HEAD}`, 'line 3'],
    ['an id of enrolment that is none', 'unenrolled before x', 'line 1'],
    ['enrolment after an id', 'unenrolled after 5', 'line 1'],
    ['unenrolled twice', 'unenrolled before 5\nunenrolled before 5', 'line 2'],
    [
      'a key of small order',
      `enrolment x/enrolment+d1a9e5a1+${Buffer.concat([Buffer.of(1, 1), Buffer.alloc(31)]).toString('base64')}`,
      'line 1',
    ],
  ])('with %s is none', (_, text, place) => {
    expect(() => parseTrust(text)).toThrow(expect.objectContaining({ code: 'AUDIT_EVIDENCE_MALFORMED' }))
    expect(() => parseTrust(text)).toThrow(place)
  })
})
