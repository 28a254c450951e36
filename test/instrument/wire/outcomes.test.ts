import { describe, expect, it } from 'vitest'
import { Operation } from '../../../src/event/vocabulary.js'
import type { Access } from '../../../src/instrument/open-access.js'
import { refusedOutcome } from '../../../src/instrument/wire/wire-outcome.js'
import { unalterable } from '../../../src/instrument/wire/withheld-error.js'

const access = (provider: string, more: Partial<Access> = {}): Access => ({
  provider,
  api: 'GET',
  operation: Operation.GetCredential,
  credential: 'db',
  ...more,
})
const decrypting = { api: 'decrypt', operation: Operation.UseKey } as const

describe('a refusal', () => {
  it.each<[number, string]>([
    [400, 'invalid_request'],
    [401, 'access_denied'],
    [403, 'access_denied'],
    [404, 'credential_not_found'],
    [405, 'invalid_request'],
    [408, 'provider_unreachable'],
    [409, 'invalid_state'],
    [410, 'invalid_state'],
    [429, 'throttled'],
    [500, 'provider_fetch_error'],
    [503, 'provider_fetch_error'],
  ])('with %i is recorded as %s', (status, outcome) => {
    expect(refusedOutcome(access('kubernetes'), status, undefined)).toBe(outcome)
  })

  it.each<[string, Access, number, string | undefined, string]>([
    [
      'of a decryption says that the ciphertext is wrong',
      access('azure', decrypting),
      400,
      undefined,
      'decryption_failure',
    ],
    [
      'of a signature does not',
      access('azure', { ...decrypting, api: 'sign' }),
      400,
      undefined,
      'invalid_request',
    ],
    ['of AWS is known by its name', access('aws'), 400, 'ThrottlingException', 'throttled'],
    ['of AWS without a name is not known', access('aws'), 400, undefined, 'other'],
    ['of the agent of AWS is known by its status', access('aws'), 404, undefined, 'credential_not_found'],
    ['of AWS that is new is not known', access('aws'), 400, 'SomethingNew', 'other'],
    ['of a Vault is known by its own table', access('vault'), 473, undefined, 'provider_unreachable'],
    [
      'of a Vault that decrypts',
      access('vault', { credential: 'transit/decrypt/k' }),
      400,
      undefined,
      'decryption_failure',
    ],
  ])('%s', (_, given, status, errorType, outcome) => {
    expect(refusedOutcome(given, status, errorType)).toBe(outcome)
  })
})

describe('the error of an answer that is withheld', () => {
  it('is an error, whatever it was made of', () => {
    expect(unalterable('gone')).toMatchObject({ message: 'gone', retryable: false })
  })

  it('that is frozen stays as it is', () => {
    const frozen = Object.freeze(Object.assign(new Error('x'), { code: 'AUDIT_UNAVAILABLE' }))
    expect(unalterable(frozen)).toBe(frozen)
  })
})
