import { describe, expect, it } from 'vitest'
import { azureOutcomeOf } from '../../../src/instrument/clients/azure.js'
import { gcpOutcomeOf } from '../../../src/instrument/clients/gcp.js'
import { errorName, textAt } from '../../../src/instrument/clients/named.js'
import { vaultOutcome } from '../../../src/instrument/clients/vault.js'

describe('a status of Vault', () => {
  it.each([
    [400, 'secret/a', 'invalid_request'],
    [400, 'transit/decrypt/a', 'decryption_failure'],
    [403, 'secret/a', 'access_denied'],
    [404, 'secret/a', 'credential_not_found'],
    [412, 'secret/a', 'provider_unreachable'],
    [429, 'secret/a', 'throttled'],
    [472, 'secret/a', 'provider_unreachable'],
    [473, 'secret/a', 'provider_unreachable'],
    [500, 'secret/a', 'provider_fetch_error'],
    [503, 'secret/a', 'provider_fetch_error'],
  ])('%s of %s is %s', (status, credential, outcome) => {
    expect(vaultOutcome(status, credential)).toBe(outcome)
  })
})

describe('a code of gRPC', () => {
  it.each([
    [1, 'aborted'],
    [2, 'provider_fetch_error'],
    [3, 'invalid_request'],
    [4, 'aborted'],
    [5, 'credential_not_found'],
    [7, 'access_denied'],
    [8, 'throttled'],
    [9, 'invalid_state'],
    [13, 'provider_fetch_error'],
    [14, 'provider_unreachable'],
    [16, 'access_denied'],
    [12, 'other'],
    ['ECONNREFUSED', 'provider_unreachable'],
    [undefined, 'other'],
  ])('%s is %s', (code, outcome) => {
    expect(gcpOutcomeOf({ code }, 'accessSecretVersion')).toBe(outcome)
  })

  it('3 of a decryption says that the ciphertext is wrong', () => {
    expect(gcpOutcomeOf({ code: 3 }, 'asymmetricDecrypt')).toBe('decryption_failure')
  })
})

describe('an error of Azure', () => {
  it.each([
    [{ statusCode: 400 }, 'getSecret', 'invalid_request'],
    [{ statusCode: 400 }, 'unwrapKey', 'decryption_failure'],
    [{ statusCode: 401 }, 'getSecret', 'access_denied'],
    [{ statusCode: 403 }, 'getSecret', 'access_denied'],
    [
      { statusCode: 403, details: { error: { innererror: { code: 'SecretDisabled' } } } },
      'getSecret',
      'invalid_state',
    ],
    [{ statusCode: 404 }, 'getSecret', 'credential_not_found'],
    [{ statusCode: 429 }, 'getSecret', 'throttled'],
    [{ statusCode: 503 }, 'getSecret', 'provider_fetch_error'],
    [{ code: 'REQUEST_SEND_ERROR' }, 'getSecret', 'provider_unreachable'],
    [{ name: 'AbortError' }, 'getSecret', 'aborted'],
    [{ name: 'CredentialUnavailableError' }, 'getSecret', 'access_denied'],
    [{}, 'getSecret', 'other'],
  ])('%o of %s is %s', (error, api, outcome) => {
    expect(azureOutcomeOf(error, api)).toBe(outcome)
  })
})

describe('what is read of a value', () => {
  it('is nothing when a getter throws, or the shape is another', () => {
    const hostile = {
      get name(): string {
        throw new Error('no')
      },
    }
    expect(textAt(hostile, 'name')).toBeUndefined()
    expect(textAt({ name: { deep: 'x' } }, 'name')).toBeUndefined()
    expect(textAt('text', 'length')).toBeUndefined()
    expect(textAt(null, 'name')).toBeUndefined()
  })

  it('as the name of an error is a name, and no text', () => {
    expect(errorName({ name: 'ThrottlingException' })).toBe('ThrottlingException')
    expect(errorName({ name: 'the password was hunter2' })).toBeUndefined()
    expect(errorName({ name: 'x'.repeat(65) })).toBeUndefined()
  })
})
