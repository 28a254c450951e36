import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cborKeys, jsonKeys } from '../../../src/instrument/wire/body-keys.js'

const WANTED: ReadonlySet<string> = new Set(['SecretId', 'Names', 'WithDecryption'])

/** What the readers are to find: texts, truth values and the texts of lists, under wanted keys at the top. */
function wantedOf(body: Readonly<Record<string, unknown>>): object {
  const entries = Object.entries(body).flatMap(([key, value]): [string, unknown][] => {
    if (!WANTED.has(key)) return []
    if (Array.isArray(value)) return [[key, value.filter((one) => typeof one === 'string')]]
    return typeof value === 'string' || typeof value === 'boolean' ? [[key, value]] : []
  })
  return Object.fromEntries(entries) as object
}

const key = fc.oneof(fc.constantFrom(...WANTED), fc.string({ maxLength: 8 }))
const value = fc.jsonValue({ maxDepth: 4 })
const body = fc
  .dictionary(key, value, { noNullPrototype: true })
  .filter((one) => !Object.hasOwn(one, '__proto__'))

const found = (given: object): object => ({ ...given })

describe('keys of JSON', () => {
  it('are found among whatever else there is, however it is spaced', () => {
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 1, '\t\r\n'), (given, space) => {
        expect(found(jsonKeys(JSON.stringify(given, undefined, space), WANTED))).toEqual(wantedOf(given))
      }),
    )
  })

  it('what is cut off, or is no JSON, is no error; what was found before stays', () => {
    const text = '{"SecretId":"db","Names":["a",1,"b"],"WithDecryption":true}'
    for (let length = 0; length < text.length; length++) {
      expect(() => jsonKeys(text.slice(0, length), WANTED)).not.toThrow()
    }
    expect(found(jsonKeys(text.slice(0, 20), WANTED))).toEqual({ SecretId: 'db' })
    fc.assert(fc.property(fc.string(), (given) => void jsonKeys(given, WANTED)))
  })

  it.each([
    '',
    'null',
    '[]',
    '{"SecretId" "db"}',
    '{"SecretId":}',
    '{SecretId:"db"}',
    '{"SecretId":"\\u12"}',
    `{"x":${'['.repeat(40)}${']'.repeat(40)},"SecretId":"db"}`,
  ])('%s has none', (text) => {
    expect(found(jsonKeys(text, WANTED))).toEqual({})
  })

  it('below the top, and in texts, are not looked at', () => {
    const text = JSON.stringify({
      x: { SecretId: 'no' },
      y: '"SecretId":"no"',
      z: ['SecretId'],
      SecretId: 'db',
    })
    expect(found(jsonKeys(text, WANTED))).toEqual({ SecretId: 'db' })
  })

  it('the last one of two holds, as for a parser', () => {
    expect(found(jsonKeys('{"SecretId":"a","SecretId":"b"}', WANTED))).toEqual({ SecretId: 'b' })
  })
})

/** CBOR of a value, in a form for each way to say a length. */
type Form = 'short' | 'long' | 'open'

function head(major: number, length: number, form: Form): Buffer {
  if (form === 'open') return Buffer.from([(major << 5) | 31])
  if (form === 'short' && length < 24) return Buffer.from([(major << 5) | length])
  if (form === 'short' && length < 256) return Buffer.from([(major << 5) | 24, length])
  const bytes = Buffer.alloc(9)
  bytes[0] = (major << 5) | 27
  bytes.writeBigUInt64BE(BigInt(length), 1)
  return bytes
}

const BREAK = Buffer.from([0xff])

function encoded(given: unknown, form: Form): Buffer {
  const end = form === 'open' ? [BREAK] : []
  if (typeof given === 'string') {
    const bytes = Buffer.from(given)
    return Buffer.concat([head(3, bytes.length, form === 'open' ? 'short' : form), bytes])
  }
  if (typeof given === 'boolean') return Buffer.from([given ? 0xf5 : 0xf4])
  if (typeof given === 'number') {
    const bytes = Buffer.alloc(9)
    bytes[0] = 0xfb
    bytes.writeDoubleBE(given, 1)
    return bytes
  }
  if (Array.isArray(given)) {
    return Buffer.concat([head(4, given.length, form), ...given.map((one) => encoded(one, form)), ...end])
  }
  if (given === null) return Buffer.from([0xf6])
  const pairs = Object.entries(given as object)
  const parts = pairs.flatMap(([name, one]) => [encoded(name, form), encoded(one, form)])
  return Buffer.concat([head(5, pairs.length, form), ...parts, ...end])
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const name = encoded('SecretId', 'short').toString('hex')
const db = encoded('db', 'short').toString('hex')

describe('keys of CBOR', () => {
  it.each<Form>(['short', 'long', 'open'])(
    'are found among whatever else there is, with lengths that are %s',
    (form) => {
      fc.assert(
        fc.property(body, (given) => {
          expect(found(cborKeys(encoded(given, form), WANTED))).toEqual(wantedOf(given))
        }),
      )
    },
  )

  it.each<[string, string, object]>([
    ['bytes', `a2 61 78 42 0102 ${name} ${db}`, { SecretId: 'db' }],
    ['bytes in parts', `a2 61 78 5f 41 01 41 02 ff ${name} ${db}`, { SecretId: 'db' }],
    ['a tag', `a2 61 78 c1 1a 00000001 ${name} ${db}`, { SecretId: 'db' }],
    ['a negative number', `a2 61 78 38 63 ${name} ${db}`, { SecretId: 'db' }],
    ['a large number', `a2 61 78 1b ffffffffffffffff ${name} ${db}`, { SecretId: 'db' }],
    ['a half float', `a2 61 78 f9 3c00 ${name} ${db}`, { SecretId: 'db' }],
    ['a number under a wanted key', `a1 ${name} 01`, {}],
    [
      'bytes in a wanted list',
      `a1 ${encoded('Names', 'short').toString('hex')} 82 41 00 61 61`,
      { Names: ['a'] },
    ],
    ['a text in parts is not read', `a1 ${name} 7f 62 6462 ff`, { SecretId: '' }],
    ['no map', `82 ${name} ${db}`, {}],
    ['nothing', '', {}],
    ['a key that is no text', `a2 01 02 ${name} ${db}`, {}],
    ['a length that is longer than all', `a2 61 78 5a 7fffffff ${name} ${db}`, {}],
    ['a text that is cut off', `a1 ${name} 6a 6462`, {}],
    ['a reserved length', `a2 61 78 1c ${name} ${db}`, {}],
    ['too deep', `a2 61 78 ${'81'.repeat(40)}00 ${name} ${db}`, {}],
  ])('%s', (_, bytes, wanted) => {
    expect(found(cborKeys(hex(bytes), WANTED))).toEqual(wanted)
  })

  it('what is cut off, or anything at all, is no error', () => {
    const whole = encoded({ x: [1, { y: null }], SecretId: 'db', Names: ['a', 'b'] }, 'open')
    for (let length = 0; length < whole.length; length++) {
      expect(() => cborKeys(whole.subarray(0, length), WANTED)).not.toThrow()
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (given) => void cborKeys(given, WANTED)))
  })
})
