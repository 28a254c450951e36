import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AuditFields, buildEvent } from '../../src/event/event.js'
import { anyText, attributesOf } from './arbitrary-event.js'

const IDENTITY = { auditId: 1n, occurredAt: 1_714_567_890_123_456 }

function stored(attributes: unknown, more: Partial<AuditFields> = {}): string | null {
  const fields = {
    credential: 'a',
    operation: 'get_sealed',
    outcome: 'ok',
    ...more,
    attributes,
  } as AuditFields
  return buildEvent(fields, IDENTITY).attributesJson
}

const parsed = (json: string | null): Record<string, unknown> =>
  json === null ? {} : (JSON.parse(json) as Record<string, unknown>)

/** RFC 8785 for a flat object, written with other means: entries sorted by their UTF-16BE bytes. */
function canonical(record: Record<string, unknown>): string {
  const bytes = (key: string) => Buffer.from(key, 'utf16le').swap16()
  const sorted = Object.entries(record).sort(([a], [b]) => Buffer.compare(bytes(a), bytes(b)))
  return `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('attributes', () => {
  it('become JSON in the key order of RFC 8785, of at most 4 KiB of UTF-8, whatever their text', () => {
    fc.assert(
      fc.property(attributesOf(anyText), fc.option(anyText, { nil: undefined }), (attributes, notes) => {
        const json = stored(attributes, { notes })
        if (json === null) {
          expect(attributes).toEqual({})
          return
        }
        expect(json).toBe(canonical(parsed(json)))
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(4096)
        expect(
          Object.values(parsed(json)).filter((v) => typeof v === 'string' && /[\p{Cc}\p{Cs}]/u.test(v)),
        ).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  it('keep every key, and carry `sanitized.attributes` exactly when a value was changed', () => {
    fc.assert(
      fc.property(attributesOf(anyText), (attributes) => {
        const { 'sanitized.attributes': marker, ...kept } = parsed(stored(attributes))
        expect(Object.keys(kept).sort()).toEqual(Object.keys(attributes).sort())
        const changed = Object.keys(attributes).some((key) => kept[key] !== attributes[key])
        expect(marker).toBe(changed ? sha256(canonical(attributes)) : undefined)
      }),
      { numRuns: 300 },
    )
  })

  it('are cut in their longest text when they are too large, and nowhere else', () => {
    const attributes = { long: 'x'.repeat(5000), short: 'kept', n: 7, b: false }
    const json = stored(attributes)
    const { long, 'sanitized.attributes': marker, ...rest } = parsed(json)
    expect(rest).toEqual({ short: 'kept', n: 7, b: false })
    expect(long).toMatch(/^x{1,4096}$/)
    expect(marker).toBe(sha256(canonical(attributes)))
  })

  it('are measured in bytes of UTF-8, not in characters', () => {
    const json = stored({ text: 'é'.repeat(3000) })
    expect(Buffer.byteLength(json ?? '')).toBeLessThanOrEqual(4096)
    expect(Object.keys(parsed(json))).toEqual(['sanitized.attributes', 'text'])
  })

  it('leave room for the markers of other fields', () => {
    const attributes = { text: 'x'.repeat(4096 - '{"text":""}'.length) }
    expect(Buffer.byteLength(stored(attributes) ?? '')).toBe(4096)
    const beside = stored(attributes, { notes: '\n', actorId: '\n' })
    expect(Buffer.byteLength(beside ?? '')).toBeLessThanOrEqual(4096)
    expect(Object.keys(parsed(beside))).toEqual([
      'sanitized.actorId',
      'sanitized.attributes',
      'sanitized.notes',
      'text',
    ])
  })

  it('fit with 32 keys of the longest kind and a marker of every field', () => {
    const entries = Array.from({ length: 32 }, (_, i) => [`${'k'.repeat(62)}${10 + i}`, '\n'.repeat(100)])
    const text = '\u0000'
    const json = stored(Object.fromEntries(entries), {
      credential: text,
      workerId: text,
      serverRegion: text,
      brokerRegion: text,
      kekVersion: text,
      notes: text,
      actorId: text,
      sourceAddress: text,
    })
    expect(Buffer.byteLength(json ?? '')).toBeLessThanOrEqual(4096)
    expect(Object.keys(parsed(json))).toHaveLength(32 + 9)
  })

  it('keep a key that JavaScript gives a meaning of its own', () => {
    const attributes = JSON.parse('{"__proto__":"x","constructor":"y","toString":1}') as Record<
      string,
      unknown
    >
    expect(stored(attributes)).toBe('{"__proto__":"x","constructor":"y","toString":1}')
    const cut = stored({ ...attributes, ['__proto__']: 'x'.repeat(5000) })
    expect(Object.keys(parsed(cut))).toContain('__proto__')
  })

  it('that are absent, empty or undefined leave the column NULL', () => {
    expect([stored(undefined), stored(null), stored({}), stored({ a: undefined })]).toEqual([
      null,
      null,
      null,
      null,
    ])
  })

  it('write minus zero as zero', () => {
    expect(stored({ a: -0 })).toBe('{"a":0}')
  })
})

describe('attributes that a programmer got wrong', () => {
  const tooMany = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, i]))

  it.each<[string, unknown, string]>([
    ['an array', ['a'], 'got Array'],
    ['a text', 'a=b', 'got String'],
    ['a number', 1, 'got Number'],
    ['a Map', new Map([['a', 'b']]), 'must be a flat object'],
    ['a Date', new Date(0), 'must be a flat object'],
    ['33 keys', tooMany, 'at most 32 keys'],
    ['a nested object', { a: { b: 1 } }, 'attribute "a"'],
    ['a list', { a: [1] }, 'attribute "a"'],
    ['null', { a: null }, 'got null'],
    ['a fraction', { a: 1.5 }, 'give other numbers as strings'],
    ['NaN', { a: Number.NaN }, 'got NaN'],
    ['an unsafe integer', { a: 2 ** 53 }, 'give other numbers as strings'],
    ['a bigint', { a: 1n }, 'give other numbers as strings'],
    ['a function', { a: () => 'x' }, 'got function'],
    ['a symbol', { a: Symbol('x') }, 'got symbol'],
    ['an empty key', { '': 1 }, 'attribute key'],
    ['a key with a space', { 'a b': 1 }, 'attribute key'],
    ['a key of 65 characters', { ['k'.repeat(65)]: 1 }, '1 to 64'],
    ['a marker of this library', { 'sanitized.notes': 'x' }, 'not begin with "sanitized."'],
    ['a symbol as a key', { [Symbol('secret')]: 'x' }, 'symbol'],
  ])('%s throw', (_, attributes, message) => {
    expect(() => stored(attributes)).toThrow(
      expect.objectContaining({
        code: 'AUDIT_INVALID_EVENT',
        field: 'attributes',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('are never quoted: a value may be a secret', () => {
    const canary = 'canary-7f2c9d'
    for (const attributes of [{ a: [canary] }, { a: { canary } }, [canary], canary]) {
      expect(() => stored(attributes)).not.toThrow(canary)
      expect(() => stored(attributes)).toThrow('AUDIT_INVALID_EVENT')
    }
  })
})
