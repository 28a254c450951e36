import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { redactReturned } from '../../src/service/redact.js'

const SECRET = 'S3cr/et+Value&"quoted"\nü😀'

/** Whether a note that contains `text` is redacted when `value` is returned. */
const redacts = (value: unknown, text: string): boolean =>
  redactReturned({ notes: `before ${text} after` }, value)?.fields.notes === '[redacted]'

const bytes = (text: string) => Buffer.from(text, 'utf8')

describe('a text that contains the returned secret', () => {
  const forms: [string, (secret: string) => string][] = [
    ['as it is', (s) => s],
    ['in base64', (s) => bytes(s).toString('base64')],
    ['in base64 without padding', (s) => bytes(s).toString('base64').replaceAll('=', '')],
    ['in base64url', (s) => bytes(s).toString('base64url')],
    ['in hex', (s) => bytes(s).toString('hex')],
    ['in upper-case hex', (s) => bytes(s).toString('hex').toUpperCase()],
    ['URL-encoded', (s) => encodeURIComponent(s)],
    ['URL-encoded in lower case', (s) => encodeURIComponent(s).replace(/%../g, (e) => e.toLowerCase())],
    ['URL-encoded as a form', (s) => new URLSearchParams({ s }).toString().slice(2)],
    ['URL-encoded in every byte', (s) => bytes(s).toString('hex').replace(/../g, '%$&')],
    ['in URL-encoded base64', (s) => encodeURIComponent(bytes(s).toString('base64'))],
    ['as a JSON string', (s) => JSON.stringify(s)],
  ]

  it.each(forms)('%s is redacted', (_, form) => {
    expect(redacts(SECRET, form(SECRET))).toBe(true)
  })

  it.each(forms)('%s is redacted, whatever the secret', (_, form) => {
    const secret = fc.string({ unit: 'binary', minLength: 8, maxLength: 60 })
    fc.assert(fc.property(secret, (s) => redacts(s, form(s))))
  })

  it('of 8 characters or more: a shorter one would match by chance', () => {
    expect(redacts('12345678', '12345678')).toBe(true)
    expect(redacts('1234567', '1234567')).toBe(false)
    expect(redacts(Buffer.from('12345678'), '12345678')).toBe(true)
    expect(redacts(Buffer.from('1234567'), '1234567')).toBe(false)
  })

  it('is not seen where the text does not contain it', () => {
    const fine = fc.string({ maxLength: 100 }).filter((text) => !text.includes(SECRET))
    fc.assert(fc.property(fine, (text) => !redacts(SECRET, text)))
    expect(redacts(SECRET, '100% of %zz + %')).toBe(false)
  })
})

describe('the secret is found', () => {
  const cycle: Record<string, unknown> = { secret: SECRET }
  cycle['self'] = cycle
  const list: unknown[] = [SECRET]
  list.push(list)
  const utf8 = bytes(SECRET)
  const arrayBuffer = utf8.buffer.slice(utf8.byteOffset, utf8.byteOffset + utf8.length)
  const shared = new Uint8Array(new SharedArrayBuffer(utf8.length))
  shared.set(utf8)

  it.each<[string, unknown]>([
    ['in an object', { user: 'u', password: SECRET }],
    ['deep in one', { a: [{ b: [[{ c: SECRET }]] }] }],
    [
      'in an instance of a class',
      new (class Credential {
        readonly password = SECRET
      })(),
    ],
    ['in a Map', new Map([['password', SECRET]])],
    ['as a key of a Map', new Map([[SECRET, 1]])],
    ['in a Set', new Set([SECRET])],
    ['in a Buffer', utf8],
    ['in a Uint8Array', new Uint8Array(utf8)],
    [
      'in a part of a larger buffer',
      Buffer.concat([Buffer.from('xx'), utf8, Buffer.from('yy')]).subarray(2, -2),
    ],
    ['in a DataView', new DataView(arrayBuffer)],
    ['in an ArrayBuffer', arrayBuffer],
    ['in a SharedArrayBuffer', shared.buffer],
    ['in an object with a cycle', cycle],
    ['in a list with a cycle', list],
    ['in an object without a prototype', Object.assign(Object.create(null) as object, { secret: SECRET })],
    [
      'behind a getter',
      {
        get password() {
          return SECRET
        },
      },
    ],
    ['in a URL', new URL(`postgres://user:${encodeURIComponent(SECRET)}@host/db`)],
    ['in an Error', new Error(SECRET)],
  ])('%s', (_, value) => {
    expect(redacts(value, SECRET)).toBe(true)
    expect(redacts(value, 'nothing of it')).toBe(false)
  })

  it('in bytes that are no text', () => {
    const key = Buffer.from('00ff80fe7f01c3289d', 'hex')
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      expect(redacts({ key }, key.toString(form))).toBe(true)
    }
  })
})

describe('a value that cannot be searched to its end', () => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const detached = new ArrayBuffer(16)
  structuredClone(detached, { transfer: [detached] })
  class Hostile extends Map<number, number> {
    override [Symbol.iterator](): never {
      throw new Error('hostile')
    }
  }

  it.each<[string, unknown]>([
    [
      'a getter that throws',
      {
        get secret(): string {
          throw new Error('no')
        },
      },
    ],
    ['a revoked proxy', revoked.proxy],
    ['a detached buffer', detached],
    ['a Map that throws', new Hostile([[1, 2]])],
    ['more than 10,000 parts', Array.from({ length: 10_001 }, (_, i) => i)],
  ])('%s: all text is redacted', (_, value) => {
    expect(redacts(value, 'anything at all')).toBe(true)
  })

  it.each<[string, unknown]>([
    ['a string', 'x'.repeat(64 * 1024 * 1024)],
    ['a buffer', { bytes: Buffer.alloc(64 * 1024 * 1024, 'y') }],
    ['many of them', Array.from({ length: 1000 }, (_, i) => `${i} ${'z'.repeat(1000)}`)],
  ])('or that is too large, since a line of it may be anywhere: %s', (_, value) => {
    expect(redacts(value, 'nothing of it')).toBe(true)
  })
})

describe('what is replaced', () => {
  const redacted = (fields: Pick<AuditFields, 'notes' | 'attributes'>) => redactReturned(fields, { SECRET })

  it('are notes and the values of attributes, each counted; the others stay', () => {
    expect(redacted({ notes: SECRET, attributes: { a: `x${SECRET}`, b: 'fine', n: 7, t: true } })).toEqual({
      fields: { notes: '[redacted]', attributes: { a: '[redacted]', b: 'fine', n: 7, t: true } },
      count: 2,
    })
  })

  it('is the key of an attribute, with its value', () => {
    const result = redactReturned({ attributes: { 'key-0123456789': 'x', fine: 'y' } }, 'key-0123456789')
    expect(result).toEqual({ fields: { attributes: { redacted: '[redacted]', fine: 'y' } }, count: 1 })
  })

  it('is nothing when there is nothing of the secret, or no text', () => {
    expect(redacted({ notes: 'fine', attributes: { a: 'fine' } })).toBeUndefined()
    expect(redacted({})).toBeUndefined()
    expect(redacted({ notes: null, attributes: null } as never)).toBeUndefined()
  })

  it('keeps a key that JavaScript gives a meaning of its own', () => {
    const attributes = JSON.parse('{"__proto__":"fine"}') as Record<string, string>
    const result = redacted({ notes: SECRET, attributes })
    expect(Object.entries(result?.fields.attributes ?? {})).toEqual([['__proto__', 'fine']])
  })
})
