import { FakeAws } from '../test/instrument/fakes/fake-aws.js'
import { fakeAzure } from '../test/instrument/fakes/fake-azure.js'
import { fakeKms, fakeSecretManager } from '../test/instrument/fakes/fake-gcp.js'
import { fakeManagers as otherManagers } from '../test/instrument/fakes/fake-managers.js'
import { fakeVault } from '../test/instrument/fakes/fake-vault.js'

/** What clients read from. They hold one value, under the names that the clients ask for. */
export interface Providers {
  /** The value of every secret. */
  readonly value: string
  /** The name of a secret that every one of them refuses. */
  readonly refused: string
  /** How such a refusal is recorded. */
  readonly refusedAs: string
  /** What configures the clients; `KMS_KEY` is a key. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

const VALUE = 'hunter2-very-secret'

/** An AWS and a Vault. */
export async function fakeProviders(): Promise<Providers> {
  const aws = await FakeAws.start(VALUE)
  const vault = await fakeVault(VALUE)
  return {
    value: VALUE,
    refused: 'denied',
    refusedAs: 'access_denied',
    env: {
      ...awsEnvironment(aws.server.url),
      VAULT_ADDR: vault.url,
      VAULT_TOKEN: 'hvs.of-the-matrix',
      KMS_KEY: 'alias/orders',
      PLAINTEXT: VALUE,
    },
    async close() {
      await vault.close()
      await aws.close()
    },
  }
}

/** The same, and Kubernetes, Infisical, 1Password Connect and Doppler. */
export async function fakeManagers(): Promise<Providers> {
  const both = await fakeProviders()
  const managers = await otherManagers(VALUE)
  return {
    ...both,
    env: { ...both.env, MANAGERS_URL: managers.url },
    async close() {
      await managers.close()
      await both.close()
    },
  }
}

/** AWS, a Vault, a Key Vault of Azure, and Google by gRPC. */
export async function fakeHooked(): Promise<Providers> {
  const both = await fakeProviders()
  const azure = await fakeAzure(VALUE)
  const secrets = await fakeSecretManager(VALUE)
  const keys = await fakeKms(VALUE)
  return {
    ...both,
    env: {
      ...both.env,
      AZURE_URL: azure.url,
      GCP_SECRETS_PORT: String(secrets.options.port),
      GCP_KMS_PORT: String(keys.options.port),
    },
    async close() {
      keys.close()
      secrets.close()
      await azure.close()
      await both.close()
    },
  }
}

export function awsEnvironment(url: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAOFTHEMATRIX',
    AWS_SECRET_ACCESS_KEY: 'of-the-matrix',
  }
}
