import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KNOWN_OPERATIONS, KNOWN_OUTCOMES } from '../../src/event/vocabulary.js'
import { FILTER_FIELDS, type FilterField } from '../../src/query/filter-fields.js'
import { BUCKETS } from '../../src/query/histogram.js'
import { parameterSchema, parseParameter } from '../../src/query/parameter.js'
import { BY } from '../../src/query/summary.js'

const FIELDS = Object.entries<FilterField>({ ...FILTER_FIELDS, buckets: BUCKETS, by: BY })

/** What a client that goes by the OpenAPI document would send. */
function isAllowed(field: FilterField, text: string): boolean {
  const schema = parameterSchema(field) as {
    readonly pattern?: string
    readonly minLength?: number
    readonly maxLength?: number
    readonly minimum?: number
    readonly maximum?: number
    readonly enum?: readonly string[]
  }
  const number = Number(text)
  return (
    (schema.pattern === undefined || new RegExp(schema.pattern).test(text)) &&
    text.length >= (schema.minLength ?? 0) &&
    text.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY) &&
    (schema.minimum === undefined || number >= schema.minimum) &&
    (schema.maximum === undefined || number <= schema.maximum) &&
    (schema.enum === undefined || schema.enum.includes(text))
  )
}

function isAccepted(field: FilterField, given: unknown): boolean {
  try {
    parseParameter('it', field, given)
    return true
  } catch {
    return false
  }
}

const texts = fc.oneof(
  fc.string({ maxLength: 600 }),
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String),
  fc.stringMatching(/^[0-9a-fA-F]{31,33}$/),
  fc.stringMatching(/^[a-z][a-z0-9_]{0,70}$/),
  fc.constantFrom('true', 'false', 'not-ok', 'credential', '-24h', '2026-07-01', ''),
)

describe('a parameter', () => {
  test.each(FIELDS)('%s is accepted only as OpenAPI describes it', (_, field) => {
    fc.assert(
      fc.property(texts, (text) => {
        if (isAccepted(field, text)) expect(isAllowed(field, text)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test.each(FIELDS)('%s is accepted as OpenAPI gives an example of it', (_, field) => {
    expect(isAccepted(field, field.example)).toBe(true)
    expect(isAllowed(field, field.example)).toBe(true)
  })

  test('may be every name of the vocabulary', () => {
    for (const name of [...KNOWN_OPERATIONS, ...KNOWN_OUTCOMES]) {
      expect(parseParameter('outcome', FILTER_FIELDS.outcome, name)).toBe(name)
    }
  })

  test.each<[FilterField, unknown, string]>([
    [FILTER_FIELDS.credential, 5, 'it must be a string'],
    [FILTER_FIELDS.credential, '', 'it must not be empty'],
    [FILTER_FIELDS.credential, 'x'.repeat(514), 'it must have at most 513 characters'],
    [FILTER_FIELDS.credential, 'a\u0000', 'it must not have control characters'],
    [FILTER_FIELDS.outcome, 'Ok', 'it must be lower snake case of 1 to 64 characters'],
    [FILTER_FIELDS.execution_id, '1.0', 'it must be an integer of 64 bits'],
    [FILTER_FIELDS.trace_id, 'xyz', 'it must be 32 hex digits'],
    [
      FILTER_FIELDS.from,
      5,
      'it must be an RFC 3339 time such as 2026-07-01T00:00:00Z, a date, or how long ago, such as -24h or 7d',
    ],
    [FILTER_FIELDS.settled, 'yes', 'it must be true, false, or the mark of an earlier answer'],
    [FILTER_FIELDS.limit, '0', 'it must be an integer from 1 to 10000'],
    [BUCKETS, 501, 'it must be an integer from 1 to 500'],
    [BY, 'notes', 'it must be one of credential, operation,'],
  ])('says of %j what it must be: %j', (field, given, message) => {
    expect(() => parseParameter('it', field, given)).toThrow(
      expect.objectContaining({
        code: 'AUDIT_INVALID_QUERY',
        field: 'it',
        message: expect.stringContaining(`AUDIT_INVALID_QUERY: ${message}`),
      }),
    )
  })

  test('has one form, however it is given', () => {
    expect(parseParameter('it', FILTER_FIELDS.execution_id, '007')).toBe('7')
    expect(parseParameter('it', FILTER_FIELDS.execution_id, 7n)).toBe('7')
    expect(parseParameter('it', FILTER_FIELDS.trace_id, 'A'.repeat(32))).toBe('a'.repeat(32))
    expect(parseParameter('it', FILTER_FIELDS.settled, true)).toBe('true')
    expect(parseParameter('it', BUCKETS, '60')).toBe(60)
  })
})
