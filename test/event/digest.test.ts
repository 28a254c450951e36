import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeEvent, eventDigest } from '../../src/event/digest.js'
import { type AuditEvent, buildEvent, rekeyEvent } from '../../src/event/event.js'
import { TEXT_LIMITS } from '../../src/event/fields.js'
import { anyEvent, fineText } from './arbitrary-event.js'
import { decodeEvent } from './reference-encoding.js'

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

describe('the encoding of an event', () => {
  it('is decoded to the very same event by a decoder written from the specification', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(decodeEvent(encodeEvent(event))).toEqual(event)
      }),
    )
  })

  it('covers every field: one that changes, appears or disappears changes the bytes', () => {
    const value = fc.oneof(fc.constant(null), fineText, fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }))
    fc.assert(
      fc.property(anyEvent, fc.nat(20), value, (event, index, other) => {
        const field = Object.keys(event)[index] as keyof AuditEvent
        fc.pre(typeof other === typeof event[field] || other === null || event[field] === null)
        fc.pre(!Object.is(other, event[field]) && (other !== null || !isRequired(field)))
        const changed = { ...event, [field]: other } as AuditEvent
        expect(same(encodeEvent(event), encodeEvent(changed))).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('keeps apart the same text in different fields, and text that moves over the border of two fields', () => {
    const texts = [...Object.keys(TEXT_LIMITS), 'operation', 'outcome', 'traceId', 'spanId', 'attributesJson']
    fc.assert(
      fc.property(
        anyEvent,
        fc.subarray(texts, { minLength: 2, maxLength: 2 }),
        fineText,
        (event, fields, text) => {
          const [a = '', b = ''] = fields
          fc.pre(text !== '')
          const cutAt = Math.floor(text.length / 2)
          const splits = [
            { [a]: text, [b]: '' },
            { [a]: '', [b]: text },
            { [a]: text, [b]: null },
            { [a]: null, [b]: text },
            { [a]: text.slice(0, cutAt), [b]: text.slice(cutAt) },
          ]
          const seen = new Set(splits.map((split) => encodeEvent({ ...event, ...split }).toString('hex')))
          const wanted = new Set(splits.map((split) => JSON.stringify([split[a], split[b]])))
          expect(seen.size).toBe(wanted.size)
        },
      ),
    )
  })

  it('keeps an absent text apart from an empty one', () => {
    const fields = { credential: 'a', operation: 'get_sealed', outcome: 'ok' } as const
    const identity = { auditId: 1n, occurredAt: 1_714_567_890_123_456 }
    const absent = buildEvent(fields, identity)
    const empty = buildEvent({ ...fields, notes: '' }, identity)
    expect(absent.notes).toBeNull()
    expect(empty.notes).toBe('')
    expect(same(eventDigest(absent), eventDigest(empty))).toBe(false)
  })

  it('does not depend on the order in which the fields were given', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const reversed = Object.fromEntries(Object.entries(event).toReversed()) as unknown as AuditEvent
        expect(same(encodeEvent(event), encodeEvent(reversed))).toBe(true)
      }),
    )
  })
})

describe('the digest of an event', () => {
  it('is SHA-256 of the encoding', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(eventDigest(event)).toEqual(createHash('sha256').update(encodeEvent(event)).digest())
      }),
    )
  })

  it('distinguishes any two different events', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyEvent, { minLength: 2, maxLength: 20, selector: text }), (events) => {
        expect(new Set(events.map((event) => eventDigest(event).toString('hex'))).size).toBe(events.length)
      }),
    )
  })

  // The values are Python's: struct.pack, str.encode and hashlib.sha256 over the specification.
  const identity = { auditId: 44_043_086_585_688_106n, occurredAt: 1_714_567_890_123_456 }
  const full = buildEvent(
    {
      credential: 'keychain/stripe é 😀',
      operation: 'cross_region_broker_serve',
      outcome: 'residency_violation',
      workerId: 'worker-7',
      executionId: 7_216_413_337_829_376n,
      parentExecutionId: -1n,
      serverRegion: 'eu-central-1',
      brokerRegion: 'us-east-1',
      kekVersion: '',
      notes: 'policy eu-only',
      actorId: 'spiffe://example.org/orders',
      actorType: 'service',
      sourceAddress: '10.0.0.7',
      attributes: { version: 3, cache_hit: true, a_b: 'x' },
    },
    {
      ...identity,
      serviceName: 'wallet',
      serviceInstanceId: 'wallet-1',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
    },
  )

  it('of the smallest event is what it always was', () => {
    const event = buildEvent(
      { credential: 'db-password', operation: 'get_credential', outcome: 'ok' },
      identity,
    )
    expect(encodeEvent(event).toString('hex')).toBe(
      '6f74656c2d61756469742f6576656e742f76310a' +
        '0100000008009c78f432c0702a020000000800061763f208bac0030000000b64622d70617373776f7264' +
        '040000000e6765745f63726564656e7469616c05000000026f6b',
    )
    expect(eventDigest(event).toString('hex')).toBe(
      'dcad588cd6d519263c369e621084d19bc4e86ac18b2d068ebbec02d726200b92',
    )
  })

  it('of an event with every field is what it always was, before and after a re-key', () => {
    expect(eventDigest(full).toString('hex')).toBe(
      '2cab1d73f25761380bdf1300a965422787dc1a7d9433f00e7714e23421c7dda3',
    )
    const rekeyed = rekeyEvent(full)
    expect(rekeyed.auditId).toBe(44_043_086_588_335_044n)
    expect(eventDigest(rekeyed).toString('hex')).toBe(
      '09e9f4f8cc48b501aea5b3227acab908af92993dd2dc693b4f7f8deb31186935',
    )
  })
})

function isRequired(field: keyof AuditEvent): boolean {
  return ['auditId', 'occurredAt', 'credential', 'operation', 'outcome'].includes(field)
}

function text(event: AuditEvent): string {
  return JSON.stringify(event, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}
