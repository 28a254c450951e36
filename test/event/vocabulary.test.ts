import { Operation, Outcome } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../../src/event/vocabulary.js'

describe('the closed sets', () => {
  it('have the original operations and outcomes, and the names of the product itself', () => {
    expect(KNOWN_OPERATIONS).toEqual([
      'get_sealed',
      'cross_region_broker_serve',
      'resolve_keychain',
      'get_credential',
      'audit_lifecycle',
      'audit_gap',
      'audit_quarantine',
      'query_trail',
      'export_trail',
      'use_key',
      'issue_credential',
      'write_credential',
      'assume_identity',
      'audit_coverage',
      'audit_retention',
      'audit_hold',
      'audit_verify',
    ])
    expect(KNOWN_OUTCOMES).toEqual([
      'ok',
      'residency_violation',
      'broker_unreachable',
      'credential_not_found',
      'no_pubkey',
      'wrong_region',
      'provider_fetch_error',
      'template_error',
      'started',
      'stopped',
      'mode_changed',
      'lost',
      'withheld',
      'other',
      'access_denied',
      'throttled',
      'decryption_failure',
      'invalid_state',
      'invalid_request',
      'provider_unreachable',
      'aborted',
      'requested',
      'hooked',
      'not_hooked',
      'wire',
      'observed',
    ])
  })

  it('are the constants of Operation and Outcome', () => {
    const constants = (set: object) => Object.values(set).filter((value) => typeof value === 'string')
    expect(constants(Operation)).toEqual(KNOWN_OPERATIONS)
    expect(constants(Outcome)).toEqual(KNOWN_OUTCOMES)
    expect([Operation, Outcome, KNOWN_OPERATIONS, KNOWN_OUTCOMES].every(Object.isFrozen)).toBe(true)
  })
})

describe.each([
  ['operation', Operation.define],
  ['outcome', Outcome.other],
] as const)('an %s of the application', (field, make) => {
  it.each(['a', 'rotate_key', 'a1_b2', 'a'.repeat(64)])('may be %s', (name) => {
    expect(make(name)).toBe(name)
  })

  it.each(['', '1a', '_a', 'A', 'a b', 'a-b', 'a'.repeat(65), 'ä', 'a\n'])('is not %j', (name) => {
    expect(() => make(name)).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_EVENT', field }))
  })

  it.each([undefined, null, 5, 5n, Symbol('x'), {}, []])('is not %s', (name) => {
    expect(() => make(name as never)).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_EVENT', field }))
  })
})

it.each([Operation.AuditGap, Operation.AuditLifecycle, Operation.AuditCoverage])(
  '%s is no operation of an application',
  (name) => {
    const refused = { code: 'AUDIT_INVALID_EVENT', field: 'operation' }
    expect(() => Operation.define(name)).toThrow(expect.objectContaining(refused))
    expect(Operation.define(Operation.QueryTrail)).toBe('query_trail')
  },
)
