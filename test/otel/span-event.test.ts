import type { Attributes } from '@opentelemetry/api'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventDigest } from '../../src/event/digest.js'
import {
  type AuditEvent,
  type AuditFields,
  buildEvent,
  completeEvent,
  draftEvent,
} from '../../src/event/event.js'
import {
  type ReadBack,
  fromSpanEvent,
  spanEventTime,
  toAuditLogDraft,
  toSpanEvent,
} from '../../src/otel/span-event.js'
import { anyEvent, anyText } from '../event/arbitrary-event.js'

/** What a resource says; undefined: what the event says. */
const anyName = fc.constantFrom(null, '', 'wallet', 'unknown_service:node')
const anyResource = fc.option(fc.record({ serviceName: anyName, serviceInstanceId: anyName }), {
  nil: undefined,
})

const IDENTITY = { auditId: 44_043_086_585_688_106n, occurredAt: 1_714_567_890_123_456 }
const MINIMAL: AuditFields = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' }
const REQUIRED: Attributes = {
  'secret_audit.credential': 'orders-db',
  'secret_audit.operation': 'get_credential',
  'secret_audit.outcome': 'ok',
}

const NO_RESOURCE = { serviceName: null, serviceInstanceId: null }

/** What a reader makes of a span event: its text, its time, and the identity that travels beside it. */
function reread(read: ReadBack, beside: Partial<AuditEvent> = {}): AuditEvent {
  const { serviceName = beside.serviceName, serviceInstanceId = beside.serviceInstanceId } = read
  return completeEvent(draftEvent(read.fields, read.markers), {
    auditId: read.auditId ?? IDENTITY.auditId,
    occurredAt: read.occurredAt ?? beside.occurredAt ?? IDENTITY.occurredAt,
    serviceName: serviceName ?? undefined,
    serviceInstanceId: serviceInstanceId ?? undefined,
    traceId: beside.traceId ?? undefined,
    spanId: beside.spanId ?? undefined,
  })
}

describe('an event as a span event', () => {
  it('is read back as the same event, digest and all, sanitized text included', () => {
    fc.assert(
      fc.property(anyEvent, anyResource, (event, resource) => {
        const read = fromSpanEvent(toSpanEvent(event, resource ?? event))
        if (read === undefined) throw new Error('it cannot be read')
        const [seconds = 0, nanos = 0] = spanEventTime(event) ?? []
        const again = reread(read, {
          ...event,
          ...resource,
          occurredAt: seconds * 1_000_000 + nanos / 1000,
        })
        expect(again).toEqual(event)
        expect(eventDigest(again)).toEqual(eventDigest(event))
      }),
      { numRuns: 300 },
    )
  })

  it('has text values only, since the SDK drops what is not simple', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const attributes = { ...toSpanEvent(event, NO_RESOURCE), ...toAuditLogDraft(event) }
        expect(Object.values(attributes).filter((value) => typeof value !== 'string')).toEqual([])
      }),
    )
  })

  it('has exactly the documented attributes', () => {
    const event = buildEvent(
      {
        ...MINIMAL,
        workerId: 'w',
        executionId: 2n ** 62n,
        parentExecutionId: -1n,
        serverRegion: 'eu',
        brokerRegion: 'us',
        kekVersion: 'v7',
        notes: 'n',
        actorId: 'a',
        actorType: 'user',
        sourceAddress: '10.0.0.7',
        attributes: { b: 1, a: 'x' },
      },
      IDENTITY,
    )
    expect(toSpanEvent(event, NO_RESOURCE)).toEqual({
      'secret_audit.audit_id': '44043086585688106',
      'secret_audit.credential': 'orders-db',
      'secret_audit.operation': 'get_credential',
      'secret_audit.outcome': 'ok',
      'secret_audit.worker_id': 'w',
      'secret_audit.execution_id': '4611686018427387904',
      'secret_audit.parent_execution_id': '-1',
      'secret_audit.server_region': 'eu',
      'secret_audit.broker_region': 'us',
      'secret_audit.kek_version': 'v7',
      'secret_audit.notes': 'n',
      'secret_audit.actor_id': 'a',
      'secret_audit.actor_type': 'user',
      'secret_audit.source_address': '10.0.0.7',
      'secret_audit.attributes': '{"a":"x","b":1}',
      'secret_audit.chars': '99',
    })
    expect(spanEventTime(event)).toEqual([1_714_567_890, 123_456_000])
    expect(toAuditLogDraft(event)).toEqual({
      'audit.record.id': '44043086585688106',
      'audit.actor.id': 'a',
      'audit.actor.type': 'user',
      'audit.action': 'READ',
      'audit.outcome': 'success',
      'audit.target.id': 'orders-db',
      'audit.target.type': 'credential',
      'audit.source.id': '10.0.0.7',
    })
  })

  const BOTH = { 'secret_audit.service_name': 'x', 'secret_audit.service_instance_id': 'x' }
  const NEITHER = { 'secret_audit.null': 'service_name service_instance_id' }
  it.each<[string, string | null, string | null | undefined, Attributes]>([
    ['is not said again where the resource says it', 'x', 'x', {}],
    ['is said where the resource says another one', 'x', 'unknown_service:node', BOTH],
    ['is said where the resource says nothing', 'x', null, BOTH],
    ['of nobody is said where the resource says one', null, 'x', NEITHER],
    ['of nobody is not said where nobody says one', null, null, {}],
    ['is said where nobody knows what the resource says', 'x', undefined, BOTH],
    ['of nobody is said where nobody knows what it says', null, undefined, NEITHER],
  ])('the service %s', (_, own, said, expected) => {
    const event = { ...buildEvent(MINIMAL, IDENTITY), serviceName: own, serviceInstanceId: own }
    const resource = said === undefined ? undefined : { serviceName: said, serviceInstanceId: said }
    const attributes = toSpanEvent(event, resource)
    const more = Object.entries(attributes).filter(([key]) => /service|null/.test(key))
    expect(Object.fromEntries(more)).toEqual(expected)
  })

  it('has a time of its own where that of the span event cannot be like it', () => {
    const event = { ...buildEvent(MINIMAL, IDENTITY), occurredAt: -1 }
    expect(spanEventTime(event)).toBeUndefined()
    expect(toSpanEvent(event, NO_RESOURCE)).toMatchObject({ 'secret_audit.occurred_at': '-1' })
  })

  it.each([
    ['get_sealed', 'ok', 'READ', 'success'],
    ['cross_region_broker_serve', 'residency_violation', 'READ', 'failure'],
    ['resolve_keychain', 'template_error', 'READ', 'failure'],
    ['get_credential', 'ok', 'READ', 'success'],
    ['audit_lifecycle', 'started', 'AUDIT_LIFECYCLE', 'failure'],
    ['rotate_key', 'ok', 'ROTATE_KEY', 'success'],
  ])('projects %s, %s onto the draft conventions as %s, %s', (operation, outcome, action, result) => {
    const event = buildEvent({ ...MINIMAL, operation, outcome } as AuditFields, IDENTITY)
    expect(toAuditLogDraft(event)).toMatchObject({
      'audit.action': action,
      'audit.outcome': result,
      'audit.actor.id': 'unknown',
    })
  })
})

/** What a field is read as. */
function takenOf(name: string, given: unknown): unknown {
  const read = fromSpanEvent({ ...REQUIRED, [`secret_audit.${name}`]: given })
  const { auditId, occurredAt, fields } = read ?? {}
  return {
    audit_id: auditId,
    occurred_at: occurredAt,
    execution_id: fields?.executionId,
    actor_type: fields?.actorType,
    worker_id: fields?.workerId,
    notes: fields?.notes,
  }[name]
}

function readOrRefused(attributes: Readonly<Record<string, unknown>>): ReadBack | undefined {
  try {
    return fromSpanEvent(attributes)
  } catch (error) {
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_EVENT' })
    return undefined
  }
}

describe('a span event of other code', () => {
  it.each(['credential', 'operation', 'outcome'])('is not an audit event without %s', (name) => {
    for (const wrong of [undefined, null, '']) {
      expect(fromSpanEvent({ ...REQUIRED, [`secret_audit.${name}`]: wrong })).toBeUndefined()
    }
  })

  it('needs no more than these three', () => {
    const read = fromSpanEvent(REQUIRED)
    expect(read).toMatchObject({ auditId: undefined, occurredAt: undefined, markers: {} })
    expect(read && reread(read)).toEqual(buildEvent(MINIMAL, IDENTITY))
  })

  it.each<[string, string | number | bigint | boolean, string]>([
    ['audit_id', '9223372036854775807', '9223372036854775807'],
    ['audit_id', 5, '5'],
    ['occurred_at', '1714567890123456', '1714567890123456'],
    ['occurred_at', 1_714_567_890_123_456, '1714567890123456'],
    ['execution_id', '-9223372036854775808', '-9223372036854775808'],
    ['execution_id', 2n ** 62n, '4611686018427387904'],
    ['execution_id', 7, '7'],
    ['worker_id', 7, '7'],
    ['worker_id', 0.25, '0.25'],
    ['notes', true, 'true'],
    ['actor_type', 'system', 'system'],
  ])('%s of %s is taken as %s', (name, given, taken) => {
    expect(String(takenOf(name, given))).toBe(taken)
  })

  it.each<[string, unknown]>([
    ['audit_id', '-5'],
    ['audit_id', -5],
    ['audit_id', '9223372036854775808'],
    ['audit_id', '1e5'],
    ['occurred_at', '9007199254740992'],
    ['execution_id', '12345678901234567890'],
    ['execution_id', '0x10'],
    ['execution_id', 1.5],
    ['execution_id', true],
    ['actor_type', 'robot'],
    ['worker_id', Number.NaN],
    ['worker_id', ['w']],
    ['notes', { a: 1 }],
    ['credential', ['orders-db']],
  ])('%s of %j is refused, and not left out', (name, given) => {
    expect(() => takenOf(name, given)).toThrow(`AUDIT_INVALID_EVENT: the attribute secret_audit.${name}`)
  })

  it('is known to be cut when it has not the characters that it was written with', () => {
    const whole = toSpanEvent(
      buildEvent({ ...MINIMAL, notes: 'ünïcødé 🔑', workerId: 'w' }, IDENTITY),
      NO_RESOURCE,
    )
    expect(fromSpanEvent(whole)?.isCut).toBe(false)
    expect(fromSpanEvent({ ...whole, 'secret_audit.notes': 'ünïcødé' })?.isCut).toBe(true)
    const { 'secret_audit.worker_id': _, ...less } = whole
    expect(fromSpanEvent(less)?.isCut).toBe(true)
    expect(fromSpanEvent(REQUIRED)?.isCut).toBe(false)
  })

  it.each<[string, string, string]>([
    ['in another order', '{"b":1,"a":2}', '{"a":2,"b":1}'],
    ['with white space', '{"a": 1, "b" : "x"}', '{"a":1,"b":"x"}'],
    ['with escapes', '{"a":"\\u00e9\\/"}', '{"a":"é/"}'],
  ])('may have attributes as another serialiser writes them: %s', (_, json, canonical) => {
    const read = fromSpanEvent({ ...REQUIRED, 'secret_audit.attributes': json })
    expect(read && reread(read).attributesJson).toBe(canonical)
  })

  const SHA = 'a'.repeat(64)
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${100 + i}`, i])))

  it.each<[string, string]>([
    ['no JSON', 'tenant=t-1'],
    ['no object', '[1,2]'],
    ['null', 'null'],
    ['with a key twice in two ways', '{"a":1,"\\u0061":1}'],
    ['with a key twice', '{"a":1,"a":1}'],
    ['with a number of another form', '{"a":1e2}'],
    ['with a fraction', '{"a":1.5}'],
    ['nested', '{"a":{"b":1}}'],
    ['with a list', '{"a":[1]}'],
    ['with null', '{"a":null}'],
    ['with a key of another form', '{"a b":1}'],
    ['with an escaped NUL', '{"a":"\\u0000"}'],
    ['with more than 32 keys', many],
    ['with a marker of no field', `{"sanitized.colour":"${SHA}"}`],
    ['with a marker that is no hash', '{"sanitized.notes":"the secret was hunter2"}'],
    ['with a marker that is no text', '{"sanitized.notes":7}'],
  ])('keeps attributes that are %s, whole, under `unparsed`', (_, json) => {
    const read = fromSpanEvent({ ...REQUIRED, 'secret_audit.attributes': json })
    expect(read).toMatchObject({ fields: { attributes: { unparsed: json } }, markers: {} })
    if (read) expect(reread(read).attributesJson).toContain('"unparsed":')
  })

  it('keeps attributes of any size within 4 KiB', () => {
    for (const json of [
      `{"a":"${'x'.repeat(5000)}"}`,
      `{"sanitized.notes":"${'x'.repeat(5000)}"}`,
      'é'.repeat(5000),
    ]) {
      const read = fromSpanEvent({ ...REQUIRED, 'secret_audit.attributes': json })
      const stored = read && reread(read).attributesJson
      expect(Buffer.byteLength(stored ?? '')).toBeLessThanOrEqual(4096)
      expect(stored).toContain('"sanitized.attributes":')
    }
  })

  it('takes the markers of this library for what they are', () => {
    const json = `{"a":1,"sanitized.attributes":"${SHA}","sanitized.notes":"${SHA}"}`
    const read = fromSpanEvent({ ...REQUIRED, 'secret_audit.attributes': json })
    expect(read).toMatchObject({
      fields: { attributes: { a: 1 } },
      markers: { 'sanitized.attributes': SHA, 'sanitized.notes': SHA },
    })
    expect(read && reread(read).attributesJson).toBe(json)
  })

  it('becomes an event unless a value cannot be what its field is', () => {
    const names = [
      'schema',
      'audit_id',
      'occurred_at',
      'worker_id',
      'execution_id',
      'notes',
      'actor_type',
      'attributes',
    ]
    const value = fc.oneof(
      anyText,
      fc.json(),
      fc.anything(),
      fc.bigInt().map(String),
      fc.constant(`{"sanitized.notes":"${SHA}"}`),
    )
    const extra = fc.dictionary(fc.constantFrom(...names.map((name) => `secret_audit.${name}`)), value)
    const required = fc.record({
      'secret_audit.credential': fc.oneof(anyText, fc.anything()),
      'secret_audit.operation': fc.oneof(fc.constant('get_sealed'), fc.constant('get_sealed'), anyText),
      'secret_audit.outcome': fc.constantFrom('ok', 'Not Ok', ''),
    })
    fc.assert(
      fc.property(required, extra, (needed, more) => {
        const read = readOrRefused({ ...more, ...needed })
        if (read === undefined) return
        const { operation, outcome } = read.fields
        if (![operation, outcome].every((name) => /^[a-z][a-z0-9_]{0,63}$/.test(name))) {
          expect(() => reread(read)).toThrow('AUDIT_INVALID_EVENT')
          return
        }
        const event = reread(read)
        expect(Buffer.byteLength(event.attributesJson ?? '')).toBeLessThanOrEqual(4096)
        expect(event.auditId).toBeGreaterThanOrEqual(0n)
        expect(eventDigest(event)).toHaveLength(32)
      }),
      { numRuns: 500 },
    )
  })
})
