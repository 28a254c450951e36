import { Operation } from '../../src/event/vocabulary.js'
import { describe, expect, it } from 'vitest'
import { type AuditFields, buildEvent } from '../../src/event/event.js'

const IDENTITY = { auditId: 1n, occurredAt: 1_714_567_890_123_456 }
const MINIMAL: AuditFields = { credential: 'db-password', operation: 'get_credential', outcome: 'ok' }

const build = (fields: unknown, identity: unknown = IDENTITY) =>
  buildEvent(fields as AuditFields, identity as typeof IDENTITY)

const invalid = (field: string, message: string) =>
  expect.objectContaining({
    name: 'AuditError',
    code: 'AUDIT_INVALID_EVENT',
    row: 'not-stored',
    field,
    message: expect.stringContaining(message),
  })

describe('buildEvent', () => {
  it('makes a frozen event with null for what is not known', () => {
    const event = build(MINIMAL)
    expect(event).toEqual({
      auditId: 1n,
      occurredAt: 1_714_567_890_123_456,
      credential: 'db-password',
      operation: 'get_credential',
      outcome: 'ok',
      workerId: null,
      executionId: null,
      parentExecutionId: null,
      serverRegion: null,
      brokerRegion: null,
      kekVersion: null,
      notes: null,
      actorId: null,
      actorType: null,
      sourceAddress: null,
      serviceName: null,
      serviceInstanceId: null,
      traceId: null,
      spanId: null,
      attributesJson: null,
      originalAuditId: null,
    })
    expect(Object.isFrozen(event)).toBe(true)
  })

  it('takes ids of 64 bits as bigint, safe ones as numbers too', () => {
    const ids = { executionId: 2n ** 63n - 1n, parentExecutionId: -0 }
    expect(build({ ...MINIMAL, ...ids })).toMatchObject({
      executionId: 2n ** 63n - 1n,
      parentExecutionId: 0n,
    })
  })

  it('takes its time from the identity; one among the fields must say the same', () => {
    const occurredAt = Date.UTC(2026, 4, 1) * 1000
    const identity = { ...IDENTITY, occurredAt }
    expect(build({ ...MINIMAL, occurredAt: new Date(occurredAt / 1000) }, identity)).toMatchObject({
      occurredAt,
    })
    expect(() => build({ ...MINIMAL, occurredAt: occurredAt + 1 }, identity)).toThrow(
      invalid('occurredAt', 'that of the identity'),
    )
  })

  it('is not moved by later changes to what it was given', () => {
    const fields = { ...MINIMAL, attributes: { a: 'before' } }
    const event = build(fields)
    fields.attributes.a = 'after'
    expect(event.attributesJson).toBe('{"a":"before"}')
  })

  it.each([undefined, null])('takes %s for what is not known', (nothing) => {
    const { credential, operation, outcome, ...rest } = build(MINIMAL)
    const keys = Object.keys(rest).filter((key) => key in ALL_OPTIONAL)
    const fields = Object.fromEntries(keys.map((key) => [key, nothing]))
    expect(build({ credential, operation, outcome, ...fields })).toEqual(build(MINIMAL))
  })
})

const ALL_OPTIONAL: Readonly<Record<string, true>> = {
  workerId: true,
  executionId: true,
  parentExecutionId: true,
  serverRegion: true,
  brokerRegion: true,
  kekVersion: true,
  notes: true,
  actorId: true,
  actorType: true,
  sourceAddress: true,
}

describe('a call that describes no event', () => {
  it.each<[string, object, string, string]>([
    ['an unknown key', { workerID: 'w' }, 'workerID', 'did you mean "workerId"?'],
    ['a misspelt key', { kekVerison: '1' }, 'kekVerison', 'did you mean "kekVersion"?'],
    ['the name of a column', { execution_id: 1n }, 'execution_id', 'did you mean "executionId"?'],
    ['a key like no other', { somethingElseEntirely: 1 }, 'somethingElseEntirely', 'is not a field'],
    ['an id of its own', { auditId: 1n }, 'auditId', 'is not a field'],
    ['a key of every object', JSON.parse('{"__proto__":1}'), '__proto__', 'is not a field'],
    ['another of them', { constructor: 1 }, 'constructor', 'is not a field'],
    ['a symbol', { [Symbol('secret')]: 1 }, 'Symbol(secret)', 'is not a field'],
    ['no credential', { credential: undefined }, 'credential', 'must not be empty'],
    ['an empty credential', { credential: '' }, 'credential', 'must not be empty'],
    ['a credential that is no text', { credential: 5 }, 'credential', 'must be a string, got number'],
    ['a Buffer', { notes: Buffer.from('x') }, 'notes', 'must be a string, got object'],
    ['a list', { workerId: ['w'] }, 'workerId', 'must be a string, got array'],
    ['a String object', { actorId: new String('x') }, 'actorId', 'must be a string, got object'],
    ['no operation', { operation: undefined }, 'operation', 'Operation.define'],
    ['an operation in camel case', { operation: 'getSealed' }, 'operation', 'lower snake case'],
    [
      'the name of a constant',
      { operation: 'GetCredential' },
      'operation',
      'got a string of 13 characters; did you mean "get_credential"?',
    ],
    ['a list of outcomes', { outcome: ['ok'] }, 'outcome', '(Outcome.other); got array'],
    ['an operation of 65 characters', { operation: 'a'.repeat(65) }, 'operation', '1 to 64'],
    ['no outcome', { outcome: null }, 'outcome', 'Outcome.other'],
    ['an outcome with a space', { outcome: 'not ok' }, 'outcome', 'lower snake case'],
    ['an actor type of its own', { actorType: 'robot' }, 'actorType', 'user, service, system'],
    ['a fraction as an id', { executionId: 1.5 }, 'executionId', 'safe integer'],
    ['an unsafe id', { executionId: 2 ** 53 }, 'executionId', 'safe integer'],
    ['an id as a text', { executionId: '7' }, 'executionId', 'BigInt(...)'],
    ['an id of 65 bits', { parentExecutionId: 2n ** 63n }, 'parentExecutionId', '64 bits'],
    ['a time that is no time', { occurredAt: 'yesterday' }, 'occurredAt', 'must be a Date'],
  ])('%s names the field and what to do', (_, wrong, field, message) => {
    expect(() => build({ ...MINIMAL, ...wrong })).toThrow(invalid(field, message))
  })

  it.each([[null], [undefined], ['text'], [7], [[]], [[MINIMAL]], [() => MINIMAL]])(
    '%s in place of the fields',
    (fields) => {
      expect(() => build(fields)).toThrow(invalid('fields', 'must be an object'))
    },
  )

  it('an identity that is not complete', () => {
    expect(() => build(MINIMAL, null)).toThrow(invalid('identity', 'must be an object'))
    for (const [wrong, field] of [
      [{ auditId: 1 }, 'auditId'],
      [{ auditId: -1n }, 'auditId'],
      [{ auditId: 2n ** 63n }, 'auditId'],
      [{ occurredAt: Number.NaN }, 'occurredAt'],
      [{ occurredAt: new Date() }, 'occurredAt'],
      [{ traceId: 'ABC' }, 'traceId'],
      [{ spanId: '0123' }, 'spanId'],
      [{ serviceName: 5 }, 'serviceName'],
    ] as const) {
      expect(() => build(MINIMAL, { ...IDENTITY, ...wrong })).toThrow(invalid(field, 'must be'))
    }
  })

  it('is never quoted: any field may hold a secret by mistake', () => {
    const canary = 'canary-1d88c4'
    for (const field of [
      'credential',
      'notes',
      'executionId',
      'actorType',
      'operation',
      'outcome',
      'occurredAt',
    ]) {
      expect(() => build({ ...MINIMAL, [field]: [canary] })).toThrow('AUDIT_INVALID_EVENT')
      expect(() => build({ ...MINIMAL, [field]: [canary] })).not.toThrow(canary)
    }
    for (const field of ['operation', 'outcome']) {
      expect(() => build({ ...MINIMAL, [field]: canary })).toThrow('got a string of 13 characters')
      expect(() => build({ ...MINIMAL, [field]: canary })).not.toThrow(canary)
    }
    expect(() => Operation.define(canary)).not.toThrow(canary)
  })
})
