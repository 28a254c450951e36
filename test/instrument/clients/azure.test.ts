import * as keys from '@azure/keyvault-keys'
import * as secrets from '@azure/keyvault-secrets'
import { AuditError } from 'otel-audit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AZURE_HOOKS } from '../../../src/instrument/clients/azure.js'
import { AZURE_VERSION, fakeAzure, fakeAzureToken } from '../fakes/fake-azure.js'
import type { FakeServer } from '../fakes/fake-server.js'
import { waitUntil } from '../../support/wait-until.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

let fake: FakeServer

beforeAll(async () => {
  fake = await fakeAzure(CANARY)
  const found = [
    await hookedPackage<object>(AZURE_HOOKS[0], '@azure/keyvault-secrets', secrets),
    await hookedPackage<object>(AZURE_HOOKS[1], '@azure/keyvault-keys', keys),
  ]
  expect(found).toMatchObject([
    { coverage: { state: 'hooked', hook: 'SecretClient.prototype.getSecret' } },
    {
      coverage: {
        state: 'hooked',
        hook: expect.stringContaining('CryptographyClient.prototype.unwrapKey'),
      },
    },
  ])
  expect(fake.requests).toEqual([])
})

afterAll(() => fake.close())

const OPTIONS = {
  allowInsecureConnection: true,
  disableChallengeResourceVerification: true,
  retryOptions: { maxRetries: 0 },
}
const vault = () => new secrets.SecretClient(fake.url, fakeAzureToken, OPTIONS)

describe('a read from Key Vault', () => {
  it('is one row: the challenge before it is not an access', async () => {
    const scene = scened({ strict: true })
    const { value } = await vault().getSecret('db')
    expect(scene.stored()).toHaveLength(1)
    expect(value).toBe(CANARY)
    expect(fake.requests).toHaveLength(2)
    expect(await scene.said()).toEqual([
      {
        credential: `${fake.url}/secrets/db`,
        operation: 'get_credential',
        outcome: 'ok',
        provider: 'azure',
        api: 'getSecret',
        seen: 'client',
        version: AZURE_VERSION,
        request_id: 'azure-request-1',
      },
    ])
  })

  it.each([
    ['missing', 'credential_not_found'],
    ['denied', 'access_denied'],
    ['disabled', 'invalid_state'],
    ['throttled', 'throttled'],
    ['invalid', 'invalid_request'],
    ['broken', 'provider_fetch_error'],
  ])('%s is one row with the outcome %s', async (name, outcome) => {
    const scene = scened()
    await thrownBy(vault().getSecret(name, { version: 'v' }))
    expect(await scene.said()).toMatchObject([
      { credential: `${fake.url}/secrets/${name}`, outcome, version: 'v', request_id: 'azure-request-1' },
    ])
  })

  it('that reaches nobody, or is aborted, is one row', async () => {
    const scene = scened()
    const nowhere = new secrets.SecretClient('http://127.0.0.1:1', fakeAzureToken, OPTIONS)
    expect(await thrownBy(nowhere.getSecret('db'))).toMatchObject({ code: 'ECONNREFUSED' })
    const abort = new AbortController()
    const call = vault().getSecret('silent', { abortSignal: abort.signal })
    await waitUntil('the request', () => fake.requests.some(({ path }) => path.includes('silent')))
    abort.abort()
    expect(await thrownBy(call)).toMatchObject({ name: 'AbortError' })
    expect(await scene.said()).toMatchObject([{ outcome: 'provider_unreachable' }, { outcome: 'aborted' }])
  })
})

describe('an abort during the hold', () => {
  it('ends the wait, never the write', async () => {
    const scene = scened({ strict: true, deadlineMs: 60_000 })
    const gate = scene.gate()
    const abort = new AbortController()
    const call = vault().getSecret('held', { abortSignal: abort.signal })
    await gate.arrived
    abort.abort()
    expect(await thrownBy(call)).toMatchObject({ name: 'AbortError' })
    gate.release()
    expect(await scene.said()).toMatchObject([{ credential: `${fake.url}/secrets/held`, outcome: 'ok' }])
  })
})

describe('strict, and the store down', () => {
  it('the answer is withheld, and a denial stays one', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    expect(await thrownBy(vault().getSecret('db'))).toBeInstanceOf(AuditError)
    const error = await thrownBy(vault().getSecret('denied'))
    expect(error).toMatchObject({ statusCode: 403, auditError: { code: 'AUDIT_UNAVAILABLE' } })
  })
})

describe('the use of a key', () => {
  it('is one row for each, with the key and its version', async () => {
    const scene = scened({ strict: true })
    const id = `${fake.url}/keys/orders/${AZURE_VERSION}`
    const client = new keys.CryptographyClient(id, fakeAzureToken, OPTIONS)
    const { result: ciphertext } = await client.encrypt('RSA-OAEP', Buffer.from(CANARY))
    const { result } = await client.decrypt('RSA-OAEP', ciphertext)
    expect(Buffer.from(result).toString()).toBe(CANARY)
    const wrapped = await client.wrapKey('RSA-OAEP', Buffer.from(CANARY))
    await client.unwrapKey('RSA-OAEP', wrapped.result)
    await client.signData('RS256', Buffer.from('m'))
    await thrownBy(client.decrypt({ algorithm: 'RSA-OAEP', ciphertext: Buffer.from('garbled') }))
    const key = `${fake.url}/keys/orders`
    expect(await scene.said()).toMatchObject([
      {
        operation: 'use_key',
        credential: key,
        version: AZURE_VERSION,
        api: 'decrypt',
        algorithm: 'RSA-OAEP',
      },
      { credential: key, api: 'unwrapKey', outcome: 'ok' },
      { credential: key, api: 'signData', algorithm: 'RS256', outcome: 'ok' },
      { credential: key, api: 'decrypt', outcome: 'decryption_failure' },
    ])
  })
})
