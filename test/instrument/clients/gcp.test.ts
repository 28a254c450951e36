import * as kms from '@google-cloud/kms'
import * as secretManager from '@google-cloud/secret-manager'
import { AuditError } from 'otel-audit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GCP_HOOKS } from '../../../src/instrument/clients/gcp.js'
import { type FakeGcp, fakeKms, fakeSecretManager } from '../fakes/fake-gcp.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

const { SecretManagerServiceClient } = secretManager
const { KeyManagementServiceClient } = kms

let secrets: FakeGcp
let keys: FakeGcp

beforeAll(async () => {
  secrets = await fakeSecretManager(CANARY)
  keys = await fakeKms(CANARY)
  const found = [
    await hookedPackage<object>(GCP_HOOKS[0], '@google-cloud/secret-manager', secretManager),
    await hookedPackage<object>(GCP_HOOKS[1], '@google-cloud/kms', kms),
  ]
  expect(found).toMatchObject([{ coverage: { state: 'hooked' } }, { coverage: { state: 'hooked' } }])
})

afterAll(() => {
  secrets.close()
  keys.close()
})

const version = (name: string) => ({ name: `projects/p/secrets/${name}/versions/latest` })

async function withClient<T>(
  use: (client: InstanceType<typeof SecretManagerServiceClient>) => Promise<T>,
): Promise<T> {
  const client = new SecretManagerServiceClient(secrets.options)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

describe('a read from Secret Manager', () => {
  it('is one row, by promise and by callback', async () => {
    const scene = scened({ strict: true })
    await withClient(async (client) => {
      const [answer] = await client.accessSecretVersion(version('db'))
      expect(scene.stored()).toHaveLength(1)
      expect(String(answer.payload?.data)).toBe(CANARY)
      const byCallback = await new Promise((resolve, reject) => {
        client.accessSecretVersion(version('db'), (error, found) => {
          if (error) reject(error)
          else resolve(String(found?.payload?.data))
        })
      })
      expect(scene.stored()).toHaveLength(2)
      expect(byCallback).toBe(CANARY)
    })
    const row = {
      credential: 'projects/p/secrets/db/versions/latest',
      operation: 'get_credential',
      outcome: 'ok',
      provider: 'gcp',
      api: 'accessSecretVersion',
      seen: 'client',
      version: '7',
    }
    expect(await scene.said()).toEqual([row, row])
  })

  it('that works at the third attempt is one row', async () => {
    const scene = scened()
    await withClient((client) => client.accessSecretVersion(version('flaky')))
    expect(secrets.calls.filter((name) => name.includes('flaky'))).toHaveLength(3)
    expect(await scene.said()).toMatchObject([{ outcome: 'ok' }])
  })

  it.each([
    ['missing', 'credential_not_found'],
    ['denied', 'access_denied'],
    ['destroyed', 'invalid_state'],
    ['invalid', 'invalid_request'],
    ['broken', 'provider_fetch_error'],
  ])('%s is one row with the outcome %s', async (name, outcome) => {
    const scene = scened()
    await withClient((client) => thrownBy(client.accessSecretVersion(version(name))))
    expect(await scene.said()).toMatchObject([{ credential: version(name).name, outcome }])
  })

  it('that takes too long is one row', async () => {
    const scene = scened()
    await withClient((client) => thrownBy(client.accessSecretVersion(version('silent'), { timeout: 50 })))
    expect(await scene.said()).toMatchObject([{ outcome: 'aborted' }])
  })
})

describe('strict, and the store down', () => {
  it('the answer is withheld, by promise and by callback', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    await withClient(async (client) => {
      expect(await thrownBy(client.accessSecretVersion(version('db')))).toBeInstanceOf(AuditError)
      const answer = await new Promise((resolve) => {
        client.accessSecretVersion(version('db'), (...given) => resolve(given))
      })
      expect(answer).toMatchObject([{ code: 'AUDIT_UNAVAILABLE' }])
    })
  })

  it('a denial stays one', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    const error = await withClient((client) => thrownBy(client.accessSecretVersion(version('denied'))))
    expect(error).toMatchObject({ code: 7, auditError: { code: 'AUDIT_UNAVAILABLE' } })
  })
})

describe('a class', () => {
  it('is hooked once, by whatever names and however often it is exported', async () => {
    const before = SecretManagerServiceClient.prototype.accessSecretVersion
    await hookedPackage<object>(GCP_HOOKS[0], '@google-cloud/secret-manager', secretManager)
    expect(SecretManagerServiceClient.prototype.accessSecretVersion).toBe(before)
  })
})

describe('the use of a key of KMS', () => {
  it('is one row with the key, and its version', async () => {
    const scene = scened({ strict: true })
    const client = new KeyManagementServiceClient(keys.options)
    const name = 'projects/p/locations/l/keyRings/r/cryptoKeys/k'
    const ciphertext = Buffer.from('sealed')
    const [{ plaintext }] = await client.decrypt({ name, ciphertext })
    expect(String(plaintext)).toBe(CANARY)
    const signing = `${name}/cryptoKeyVersions/2`
    await client.asymmetricSign({ name: signing, digest: { sha256: Buffer.alloc(32) } })
    await thrownBy(client.decrypt({ name: `${name}-garbled`, ciphertext }))
    await client.close()
    expect(await scene.said()).toMatchObject([
      { operation: 'use_key', credential: name, api: 'decrypt', outcome: 'ok' },
      { operation: 'use_key', credential: signing, api: 'asymmetricSign', version: '2' },
      { credential: `${name}-garbled`, outcome: 'decryption_failure' },
    ])
  })
})
