import * as fc from 'fast-check'
import { type AuditEvent, type AuditFields, buildEvent, type EventIdentity } from '../../src/event/event.js'
import type { Operation, Outcome } from '../../src/event/vocabulary.js'

/** Characters that something on the way to the table would change, refuse or count differently. */
const AWKWARD = [
  '\u0000',
  '\n',
  '\u001b',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ud83d\ude00',
  '\ud83d',
  '\ude00',
  '"',
  '\\',
  'é',
  'e\u0301',
  '\uffff',
]

/** Any JavaScript string: lone surrogates, control characters, up to twice the longest limit. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.oneof(fc.constantFrom(...AWKWARD), fc.string({ minLength: 1, maxLength: 1 })) }),
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc
    .tuple(fc.constantFrom(...AWKWARD, 'a'), fc.integer({ min: 1, max: 1100 }), fc.string())
    .map(([unit, times, tail]) => unit.repeat(times) + tail),
)

/** Text that is stored as it is, in a field of at least 128 characters. */
export const fineText: fc.Arbitrary<string> = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .filter((text) => text.length <= 128 && !/\p{Cc}/u.test(text))

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/)
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

const attributeKey: fc.Arbitrary<string> = fc
  .oneof(
    fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,20}$/),
    fc.constantFrom('constructor', '__proto__'),
  )
  .filter((key) => !key.startsWith('sanitized.'))

export const attributesOf = (
  text: fc.Arbitrary<string>,
): fc.Arbitrary<NonNullable<AuditFields['attributes']>> =>
  fc
    .uniqueArray(fc.tuple(attributeKey, fc.oneof(text, fc.boolean(), fc.maxSafeInteger())), {
      selector: ([key]) => key,
      maxLength: 32,
    })
    .map((entries) => Object.fromEntries(entries))

const fieldsOf = (text: fc.Arbitrary<string>): fc.Arbitrary<AuditFields> =>
  fc.record(
    {
      credential: text.filter((value) => value !== ''),
      operation: name as fc.Arbitrary<Operation>,
      outcome: name as fc.Arbitrary<Outcome>,
      workerId: text,
      executionId: int64,
      parentExecutionId: int64,
      serverRegion: text,
      brokerRegion: text,
      kekVersion: text,
      notes: text,
      actorId: text,
      actorType: fc.constantFrom('user', 'service', 'system'),
      sourceAddress: text,
      attributes: attributesOf(text),
    },
    { requiredKeys: ['credential', 'operation', 'outcome'] },
  )

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: length, maxLength: length })

/** µs of a moment between 2024 and 2093. */
const moment: fc.Arbitrary<number> = fc.integer({
  min: 1_704_067_200_000_000,
  max: 3_903_000_000_000_000,
})

const identityOf = (text: fc.Arbitrary<string>): fc.Arbitrary<EventIdentity> =>
  fc.record(
    {
      auditId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      occurredAt: moment,
      serviceName: text,
      serviceInstanceId: text,
      traceId: hex(32),
      spanId: hex(16),
    },
    { requiredKeys: ['auditId', 'occurredAt'] },
  )

/** Any event that can exist. */
export const anyEvent: fc.Arbitrary<AuditEvent> = fc
  .tuple(fieldsOf(anyText), identityOf(anyText))
  .map(([fields, identity]) => buildEvent(fields, identity))
