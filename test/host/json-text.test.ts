import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonString, parseFlatObject, parseJsonString } from '../../src/host/json-text.js'
import { anyText } from '../event/arbitrary-event.js'

describe('a string as JSON', () => {
  it('is what JSON.stringify makes of it', () => {
    fc.assert(fc.property(anyText, (text) => jsonString(text) === JSON.stringify(text)))
    for (let unit = 0; unit <= 0xffff; unit++) {
      const text = `a${String.fromCharCode(unit)}b`
      if (jsonString(text) !== JSON.stringify(text)) expect(unit).toBe('escaped as JSON.stringify does')
    }
  })

  it('is read back', () => {
    fc.assert(fc.property(anyText, (text) => parseJsonString(JSON.stringify(text)) === text))
  })
})

describe('a flat object', () => {
  const value = fc.oneof(anyText, fc.double(), fc.maxSafeInteger(), fc.boolean(), fc.constant(null))
  const flat = fc.uniqueArray(fc.tuple(anyText, value), { selector: ([key]) => key })

  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(flat, fc.constantFrom(undefined, 2, '\t'), (entries, space) => {
        const json = JSON.stringify(Object.fromEntries(entries), undefined, space)
        const expected = Object.entries(JSON.parse(json) as object)
        expect(Object.fromEntries(parseFlatObject(json))).toEqual(Object.fromEntries(expected))
      }),
    )
    const escapes = '{"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\\\uD83D\\ude00":-1.5E+2,"a":1,"a":2}'
    expect(Object.fromEntries(parseFlatObject(escapes))).toEqual(JSON.parse(escapes))
  })

  it('is refused exactly where JSON.parse refuses it, or where it is not flat', () => {
    const pieces = [
      '{',
      '}',
      '"a"',
      ':',
      ',',
      '1',
      '-',
      '01',
      '1.',
      '.5',
      'true',
      'tru',
      '[',
      ']',
      ' ',
      '"',
      '\\x',
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 9 }), (parts) => {
        const json = parts.join('')
        let parsed: unknown
        try {
          parsed = JSON.parse(json)
        } catch {}
        const isFlat =
          typeof parsed === 'object' &&
          parsed !== null &&
          !Array.isArray(parsed) &&
          Object.values(parsed).every((item) => typeof item !== 'object' || item === null)
        if (isFlat) expect(Object.fromEntries(parseFlatObject(json))).toEqual(parsed)
        else expect(() => parseFlatObject(json)).toThrow()
      }),
      { numRuns: 3000 },
    )
    for (const json of [
      '',
      '{"a":1}x',
      '{"a":"\n"}',
      '{"a":"\\u12g4"}',
      '{"a":"\\u12',
      '{"a":1,}',
      '{,}',
      'null',
    ])
      expect(() => parseFlatObject(json)).toThrow()
  })
})
