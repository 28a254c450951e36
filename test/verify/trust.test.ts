import { describe, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { NO_TRUST, parseTrust } from '../../src/verify/trust.js'

const KEY = generateNoteKey('otel-audit/wallet/enrolment').verifierKey

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
