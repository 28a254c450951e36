import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AuditFields, buildEvent, isSanitized } from '../../src/event/event.js'
import { TEXT_LIMITS } from '../../src/event/fields.js'
import { anyText } from './arbitrary-event.js'

const IDENTITY = { auditId: 1n, occurredAt: 1_714_567_890_123_456 }
const MINIMAL: AuditFields = { credential: 'db-password', operation: 'get_credential', outcome: 'ok' }
// The pipeline's own text gets no marker: it is not the caller's.
const CALLER_TEXT = Object.keys(TEXT_LIMITS).filter((field) => !field.startsWith('service'))

const isFine = (text: string, limit: number): boolean =>
  text.length <= limit && !/\p{Cc}/u.test(text) && !/\p{Cs}/u.test(text)

/** Over UTF-8; text with lone surrogates has none, there over UTF-16LE. */
const sha256 = (text: string): string =>
  createHash('sha256')
    .update(Buffer.from(text, /\p{Cs}/u.test(text) ? 'utf16le' : 'utf8'))
    .digest('hex')

const attributesOf = (json: string | null): Record<string, unknown> =>
  json === null ? {} : (JSON.parse(json) as Record<string, unknown>)

describe.each(CALLER_TEXT)('any text in %s', (field) => {
  const limit = TEXT_LIMITS[field as keyof typeof TEXT_LIMITS]

  it('becomes an event: unchanged when it was fine, else storable and marked with its SHA-256', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(field !== 'credential' || text !== '')
        const event = buildEvent({ ...MINIMAL, [field]: text }, IDENTITY)
        const stored = String(event[field as keyof typeof event])
        const markers = attributesOf(event.attributesJson)
        expect(isFine(stored, limit)).toBe(true)
        expect(isSanitized(event)).toBe(!isFine(text, limit))
        if (isFine(text, limit)) {
          expect(stored).toBe(text)
          expect(event.attributesJson).toBeNull()
        } else {
          expect(markers).toEqual({ [`sanitized.${field}`]: sha256(text) })
        }
      }),
    )
  })

  it('is cut at its limit, and not before', () => {
    const stored = (text: string) => buildEvent({ ...MINIMAL, [field]: text }, IDENTITY)
    expect(stored('x'.repeat(limit))).toMatchObject({ [field]: 'x'.repeat(limit), attributesJson: null })
    const cut = stored('x'.repeat(limit + 1))
    expect(cut).toMatchObject({ [field]: 'x'.repeat(limit) })
    expect(attributesOf(cut.attributesJson)).toHaveProperty([`sanitized.${field}`])
  })
})

describe('the limits', () => {
  it('are those of the documentation', () => {
    expect(TEXT_LIMITS).toEqual({
      credential: 512,
      workerId: 256,
      serverRegion: 128,
      brokerRegion: 128,
      kekVersion: 128,
      notes: 1024,
      actorId: 256,
      sourceAddress: 128,
      serviceName: 256,
      serviceInstanceId: 256,
    })
  })
})

describe('text that cannot be stored', () => {
  const notes = (text: string) => buildEvent({ ...MINIMAL, notes: text }, IDENTITY).notes

  it('is escaped so that a reader sees what it was', () => {
    expect(notes('a\u0000b\nc\u001b[31m\u007f\u0085')).toBe('a\\u0000b\\u000ac\\u001b[31m\\u007f\\u0085')
    expect(notes('lone \ud83d and \ude00, paired 😀')).toBe('lone \\ud83d and \\ude00, paired 😀')
  })

  it('is never cut through a surrogate pair', () => {
    expect(notes(`${'x'.repeat(1023)}😀`)).toBe('x'.repeat(1023))
    expect(notes(`${'x'.repeat(1022)}😀y`)).toBe(`${'x'.repeat(1022)}😀`)
  })

  it('leaves different events where the stored text is the same', () => {
    const escaped = buildEvent({ ...MINIMAL, notes: 'a\u0000' }, IDENTITY)
    const literal = buildEvent({ ...MINIMAL, notes: 'a\\u0000' }, IDENTITY)
    expect(escaped.notes).toBe(literal.notes)
    expect(escaped.attributesJson).not.toBe(literal.attributesJson)
  })

  it('of the pipeline itself is made storable as well', () => {
    const event = buildEvent(MINIMAL, {
      ...IDENTITY,
      serviceName: 'w\u0000',
      serviceInstanceId: 'i'.repeat(300),
    })
    expect(event).toMatchObject({ serviceName: 'w\\u0000', serviceInstanceId: 'i'.repeat(256) })
  })
})

describe('whether an event is sanitized', () => {
  it.each([
    [{ a: ',"sanitized.notes":"' }],
    [{ a: '{"sanitized.' }],
    [{ a: 'x', b: '"sanitized.' }],
    [{ 'a.sanitized.b': 'x' }],
  ])('is not told from a value that looks like a marker: %j', (attributes) => {
    expect(isSanitized(buildEvent({ ...MINIMAL, attributes }, IDENTITY))).toBe(false)
  })

  it('is told from a marker among other attributes', () => {
    const attributes = { a: 'x', z: 'y' }
    expect(isSanitized(buildEvent({ ...MINIMAL, notes: '\n', attributes }, IDENTITY))).toBe(true)
    expect(isSanitized(buildEvent({ ...MINIMAL, attributes: { a: '\n' } }, IDENTITY))).toBe(true)
  })
})
