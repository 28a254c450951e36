import { expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { packError, unpackError } from '../../src/postgres/packed-error.js'

/** There and back, as a thread's message is copied. */
const sent = (error: unknown): Error => unpackError(structuredClone(packError(error)))

test('an error of ours arrives as what it was', () => {
  const error = new AuditError('AUDIT_SCHEMA', 'the table lacks a column', {
    field: 'schema',
    remedy: 'run it',
  })
  const arrived = sent(error)
  expect(arrived).toBeInstanceOf(AuditError)
  expect(arrived).toMatchObject({
    code: 'AUDIT_SCHEMA',
    message: error.message,
    reason: error.reason,
    remedy: 'run it',
    field: 'schema',
  })
})

test('an error of others keeps message, code and cause', () => {
  const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  const arrived = sent(Object.assign(new Error('lost', { cause }), { code: 'X' }))
  expect(arrived).toMatchObject({
    message: 'lost',
    code: 'X',
    cause: { message: 'reset', code: 'ECONNRESET' },
  })
  expect(arrived).not.toBeInstanceOf(AuditError)
})

test('no stack travels, and nothing of a row', () => {
  const error = Object.assign(new Error('refused'), { detail: 'canary-7c1f in the detail of a server' })
  expect(JSON.stringify(packError(error))).not.toMatch(/canary-7c1f|packed-error\.test/)
})

test.each([
  ['null', null],
  ['undefined', undefined],
  ['a text', 'broken'],
  ['a number as code', Object.assign(new Error('e'), { code: 7 })],
])('what was thrown may be anything: %s', (_name, thrown) => {
  const arrived = sent(thrown)
  expect(arrived).toBeInstanceOf(Error)
  expect(arrived).not.toHaveProperty('code')
})

test.each(['AUDIT_OF_ANOTHER_VERSION', 'toString', undefined])(
  'a code that nobody knows here is no reason to say more than that it failed: %s',
  (code) => {
    const audit = { reason: 'r', remedy: 'm', field: undefined }
    expect(unpackError({ message: 'x', code, audit, cause: undefined })).toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      remedy: 'm',
    })
  },
)
