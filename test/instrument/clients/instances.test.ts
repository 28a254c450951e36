import { SecretsManagerClient, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { Client } from '@1password/sdk'
import { SecretClient } from '@azure/keyvault-secrets'
import { SecretManagerServiceClient } from '@google-cloud/secret-manager'
import nodeVault from 'node-vault'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fakeAzure, fakeAzureToken } from '../fakes/fake-azure.js'
import { FakeAws } from '../fakes/fake-aws.js'
import { fakeSecretManager } from '../fakes/fake-gcp.js'
import { fakeVault } from '../fakes/fake-vault.js'

const VALUE = 'canary-of-one-client-77e0'

/** Nothing is loaded by a hook here: these are clients that the application has made, and hands over. */
function auditing() {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, lingerMs: 0 })
  onTestFinished(() => audit.close())
  return {
    audit,
    async rows() {
      await audit.flush()
      return sink.events.filter(({ operation }) => !operation.startsWith('audit_'))
    },
  }
}

describe('a client that is handed over', () => {
  it('of AWS is audited, and no other of its class', async () => {
    const fake = await FakeAws.start(VALUE)
    onTestFinished(() => fake.close())
    const { audit, rows } = auditing()
    const [given, other] = [new SecretsManagerClient(fake.config), new SecretsManagerClient(fake.config)]
    expect(audit.instrument(given)).toBe(given)
    expect(audit.instrument(given)).toBe(given)
    await given.send(new GetSecretValueCommand({ SecretId: 'a' }))
    await other.send(new GetSecretValueCommand({ SecretId: 'b' }))
    expect(await rows()).toMatchObject([{ credential: 'a', outcome: 'ok' }])
  })

  it('of Vault, Azure, Google and 1Password is audited', async () => {
    const [vault, azure] = [await fakeVault(VALUE), await fakeAzure(VALUE)]
    onTestFinished(async () => {
      await vault.close()
      await azure.close()
    })
    const { audit, rows } = auditing()
    const reader = audit.instrument(nodeVault({ endpoint: vault.url, token: 't' }))
    const { request } = reader
    expect(audit.instrument(reader).request).toBe(request)
    await reader.read('secret/data/a')
    const options = { allowInsecureConnection: true, disableChallengeResourceVerification: true }
    await audit.instrument(new SecretClient(azure.url, fakeAzureToken, options)).getSecret('b')
    const gcp = await fakeSecretManager(VALUE)
    onTestFinished(() => gcp.close())
    const google = audit.instrument(new SecretManagerServiceClient(gcp.options))
    await google.accessSecretVersion({ name: 'projects/p/secrets/c/versions/1' })
    await google.close()
    const invoke = (): Promise<string> => Promise.resolve(JSON.stringify(VALUE))
    const inner = { id: 0, invoke } as unknown as ConstructorParameters<typeof Client>[0]
    await audit.instrument(new Client(inner)).secrets.resolve('op://v/d/p')
    const found = await rows()
    expect(found.map(({ credential }) => credential)).toEqual([
      'secret/a',
      `${azure.url}/secrets/b`,
      'projects/p/secrets/c/versions/1',
      'op://v/d/p',
    ])
    expect(found.every(({ attributesJson }) => !attributesJson?.includes(VALUE))).toBe(true)
  })

  it('and is of nobody that is known is refused', () => {
    const { audit } = auditing()
    expect(() => audit.instrument({ send: () => undefined })).toThrow(/AUDIT_INVALID_OPTION/)
  })
})
