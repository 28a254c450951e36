import loaded from 'node-vault'
import { AuditError } from 'otel-audit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_VAULT_HOOK } from '../../../src/instrument/clients/vault.js'
import type { FakeServer } from '../fakes/fake-server.js'
import { fakeVault } from '../fakes/fake-vault.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

let fake: FakeServer
let nodeVault: typeof loaded

beforeAll(async () => {
  fake = await fakeVault(CANARY)
  const { exports, coverage } = await hookedPackage(NODE_VAULT_HOOK, 'node-vault', loaded)
  expect(coverage).toMatchObject({ state: 'hooked', hook: 'factory, client.request' })
  expect(fake.requests).toEqual([])
  nodeVault = exports
})

afterAll(() => fake.close())

const client = (more: object = {}) => nodeVault({ endpoint: fake.url, token: 'hvs.of-the-test', ...more })

describe('a read by node-vault', () => {
  it('is one row, without data/ and with the version of the answer', async () => {
    const scene = scened({ strict: true })
    const answer = await client({ namespace: 'team' }).read('secret/data/orders-db')
    expect(scene.stored()).toHaveLength(1)
    expect(answer.data.data.password).toBe(CANARY)
    expect(await scene.said()).toEqual([
      {
        credential: 'secret/orders-db',
        operation: 'get_credential',
        outcome: 'ok',
        provider: 'vault',
        api: 'GET',
        seen: 'client',
        namespace: 'team',
        server_address: new URL(fake.url).host,
        version: '4',
        request_id: 'f0a1-request',
      },
    ])
  })

  it.each([
    ['missing', 'credential_not_found'],
    ['denied', 'access_denied'],
    ['throttled', 'throttled'],
    ['invalid', 'invalid_request'],
    ['behind', 'provider_unreachable'],
    ['broken', 'provider_fetch_error'],
    ['sealed', 'provider_fetch_error'],
  ])('%s is one row with the outcome %s', async (name, outcome) => {
    const scene = scened()
    await thrownBy(client().read(`secret/data/${name}`))
    expect(await scene.said()).toMatchObject([{ credential: `secret/${name}`, outcome }])
  })

  it('that reaches nobody, or takes too long, is one row', async () => {
    const scene = scened()
    const error = await thrownBy(client({ endpoint: 'http://127.0.0.1:1' }).read('secret/data/a'))
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    await thrownBy(client({ requestOptions: { timeout: 50 } }).read('secret/data/silent'))
    expect(await scene.said()).toMatchObject([
      { credential: 'secret/a', outcome: 'provider_unreachable', 'error.type': 'ECONNREFUSED' },
      { credential: 'secret/silent', outcome: 'aborted', 'error.type': 'ECONNABORTED' },
    ])
  })

  it('is seen in every method, and not where there is no secret', async () => {
    const scene = scened()
    const vault = client()
    await vault.read('database/creds/orders')
    await vault.write('transit/decrypt/orders', { ciphertext: 'vault:v1:x' })
    await vault.unwrap({ token: 'hvs.CAES-wrapping' })
    await vault.approleLogin({ role_id: 'r', secret_id: CANARY })
    await client({ noCustomHTTPVerbs: true }).list('secret/metadata')
    await vault.write('secret/data/orders', { data: { password: CANARY } })
    await vault.health()
    expect(await scene.said()).toMatchObject([
      {
        operation: 'issue_credential',
        credential: 'database/creds/orders',
        lease_id: 'database/creds/orders/lease-1',
      },
      { operation: 'use_key', credential: 'transit/decrypt/orders' },
      { operation: 'get_credential', credential: 'sys/wrapping/unwrap', api: 'POST' },
      { operation: 'issue_credential', credential: 'auth/approle/login' },
    ])
  })
})

describe('strict, and the store down', () => {
  it('the answer is withheld', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    const error = await thrownBy(client().read('secret/data/orders-db'))
    expect(error).toBeInstanceOf(AuditError)
    expect(error).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
  })

  it('a denial stays one', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    const error = await thrownBy(client().read('secret/data/denied'))
    expect(error).toMatchObject({ response: { statusCode: 403 }, auditError: { code: 'AUDIT_UNAVAILABLE' } })
  })
})

describe('the factory', () => {
  it('keeps what it had, and has one wrapper however it is loaded', async () => {
    expect(Object.keys(nodeVault)).toEqual(Object.keys(loaded))
    const again = await hookedPackage(NODE_VAULT_HOOK, 'node-vault', { default: loaded })
    expect(again.exports).toBe(nodeVault)
    const twice = await hookedPackage(NODE_VAULT_HOOK, 'node-vault', nodeVault)
    expect(twice.exports).toBe(nodeVault)
    const scene = scened()
    await client().read('secret/data/once')
    expect(await scene.said()).toHaveLength(1)
  })

  it('that is not one is said', async () => {
    const { coverage } = await hookedPackage(NODE_VAULT_HOOK, 'node-vault-of-tomorrow', {})
    expect(coverage).toMatchObject({ state: 'not_hooked', reason: 'its export is not a function' })
  })
})
