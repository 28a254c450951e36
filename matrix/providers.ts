import { FakeAws } from '../test/instrument/fakes/fake-aws.js'
import { fakeVault } from '../test/instrument/fakes/fake-vault.js'

/** What clients read from: an AWS and a Vault that hold one value. */
export interface Providers {
  /** The value of every secret. */
  readonly value: string
  /** What configures the clients; `KMS_KEY` is a key. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

const VALUE = 'hunter2-very-secret'

export async function fakeProviders(): Promise<Providers> {
  const aws = await FakeAws.start(VALUE)
  const vault = await fakeVault(VALUE)
  return {
    value: VALUE,
    env: {
      ...awsEnvironment(aws.server.url),
      VAULT_ADDR: vault.url,
      VAULT_TOKEN: 'hvs.of-the-matrix',
      KMS_KEY: 'alias/orders',
    },
    async close() {
      await vault.close()
      await aws.close()
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
