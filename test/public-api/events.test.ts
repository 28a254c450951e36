import {
  type ActorType,
  type AttributeValue,
  type AuditAttributes,
  AuditError,
  type AuditErrorCode,
  type AuditErrorOptions,
  type AuditErrorSubject,
  type AuditEvent,
  type AuditFields,
  buildEvent,
  encodeEvent,
  ERROR_CATALOGUE,
  eventDigest,
  type EventIdentity,
  Operation,
  Outcome,
  rekeyEvent,
  type RowFate,
  SnowflakeGenerator,
  type SnowflakeSource,
  snowflakeTime,
} from 'otel-audit'
import { describe, expect, expectTypeOf, it } from 'vitest'

const NOW = Date.UTC(2026, 4, 1)

describe('a tool that makes events itself', () => {
  const source: SnowflakeSource = { random: () => 0 }
  const ids = new SnowflakeGenerator(7, source)
  const tenant: AttributeValue = 't-1'
  const attributes: AuditAttributes = { tenant, hit: true, version: 3 }
  const actorType: ActorType = 'service'
  const fields: AuditFields = {
    credential: 'orders-db',
    operation: Operation.define('rotate_key'),
    outcome: Outcome.Ok,
    actorType,
    attributes,
  }
  const identity: EventIdentity = { auditId: ids.next(NOW), occurredAt: NOW * 1000 }

  it('builds, encodes, hashes and re-keys them', () => {
    const event: AuditEvent = buildEvent(fields, identity)
    expect(snowflakeTime(event.auditId)).toBe(NOW)
    expect(encodeEvent(event).includes('orders-db')).toBe(true)
    expect(eventDigest(event)).toHaveLength(32)
    expect(rekeyEvent(event)).toMatchObject({ originalAuditId: event.auditId })
  })

  it('cannot give what is not in the vocabulary, by type', () => {
    expectTypeOf<'rotate_key'>().not.toExtend<AuditFields['operation']>()
    expectTypeOf<'denied'>().not.toExtend<AuditFields['outcome']>()
    expectTypeOf<'get_sealed'>().toExtend<AuditFields['operation']>()
    expectTypeOf(Operation.define('rotate_key')).toExtend<AuditFields['operation']>()
    expectTypeOf(Outcome.other('denied')).not.toExtend<AuditFields['operation']>()
    expectTypeOf<{ a: number[] }>().not.toExtend<AuditAttributes>()
  })
})

describe('a handler of errors', () => {
  it('decides by code and by what is known about the row', () => {
    const event: AuditErrorSubject = { auditId: 1n, credential: 'orders-db' }
    const options: AuditErrorOptions = { event, field: 'credential' }
    const status = (error: AuditError): number => {
      const row: RowFate = error.row
      const code: AuditErrorCode = error.code
      if (code === 'AUDIT_INVALID_EVENT') return 400
      return row === 'unknown' ? 504 : 503
    }
    expect(status(new AuditError('AUDIT_INVALID_EVENT', 'x', options))).toBe(400)
    expect(status(new AuditError('AUDIT_TIMEOUT', 'x', options))).toBe(504)
    expect(status(new AuditError('AUDIT_CLOSED', 'x', options))).toBe(503)
    expectTypeOf<AuditErrorCode>().toEqualTypeOf<keyof typeof ERROR_CATALOGUE>()
  })
})
