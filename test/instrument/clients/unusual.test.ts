import * as secretsManager from '@aws-sdk/client-secrets-manager'
import nodeVaultPackage from 'node-vault'
import { AuditError } from 'otel-audit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AWS_HOOKS } from '../../../src/instrument/clients/aws.js'
import { NODE_VAULT_HOOK } from '../../../src/instrument/clients/vault.js'
import { FakeAws } from '../fakes/fake-aws.js'
import { fakeVault } from '../fakes/fake-vault.js'
import type { FakeServer } from '../fakes/fake-server.js'
import { CANARY, hookedPackage, scened, thrownBy } from './hooked.js'

const { GetSecretValueCommand, SecretsManagerClient } = secretsManager
type Client = secretsManager.SecretsManagerClient

let aws: FakeAws
let vault: FakeServer
let nodeVault: typeof nodeVaultPackage

beforeAll(async () => {
  aws = await FakeAws.start(CANARY)
  vault = await fakeVault(CANARY)
  const hook = AWS_HOOKS.find(({ name }) => name === 'aws-secrets-manager')
  await hookedPackage<object>(hook, '@aws-sdk/client-secrets-manager', secretsManager)
  nodeVault = (await hookedPackage(NODE_VAULT_HOOK, 'node-vault', nodeVaultPackage)).exports
})

afterAll(async () => {
  await vault.close()
  await aws.close()
})

const read = async (client: Client): Promise<string | undefined> =>
  (await client.send(new GetSecretValueCommand({ SecretId: 'orders' }))).SecretString

/** By class, by `super`, and with a method of its own around both. */
class Subclass extends SecretsManagerClient {
  override send(...args: never[]): never {
    return Reflect.apply(super.send, this, args) as never
  }
}

const MAKE: readonly (readonly [string, () => Client])[] = [
  ['of a class that extends it', () => new Subclass(aws.config)],
  ['behind a proxy', () => new Proxy(new SecretsManagerClient(aws.config), {})],
  ['made from another one', () => Object.create(new SecretsManagerClient(aws.config)) as Client],
  [
    'whose send was taken from it',
    () => {
      const client = new SecretsManagerClient(aws.config)
      const send = client.send.bind(client)
      return { send } as unknown as Client
    },
  ],
]

describe.each(MAKE)('a client of AWS that is %s', (_, make) => {
  it('makes one row a call, and gets nothing while the store is down', async () => {
    const scene = scened({ strict: true })
    const client = make()
    expect(await read(client)).toBe(CANARY)
    expect(scene.stored()).toHaveLength(1)
    scene.isDown = true
    expect(await thrownBy(read(client))).toBeInstanceOf(AuditError)
    scene.isDown = false
    expect(await read(client)).toBe(CANARY)
    expect(await scene.said()).toMatchObject([
      { operation: 'get_credential', outcome: 'ok' },
      { operation: 'get_credential', outcome: 'ok' },
      // Of the one that was withheld.
      { operation: 'audit_gap' },
    ])
  })
})

it('a client that is used itself and through a proxy makes one row a call', async () => {
  const scene = scened()
  const client = new SecretsManagerClient(aws.config)
  await read(client)
  await read(new Proxy(client, {}))
  await read(client)
  expect(await scene.said()).toHaveLength(3)
})

it('a class whose send somebody replaces behind us makes one row a call', async () => {
  const scene = scened({ strict: true })
  const prototype = SecretsManagerClient.prototype as unknown as Record<string, unknown>
  const ours = prototype['send'] as (...args: unknown[]) => unknown
  let calls = 0
  prototype['send'] = function send(this: unknown, ...args: unknown[]): unknown {
    calls++
    return Reflect.apply(ours, this, args)
  }
  try {
    expect(await read(new SecretsManagerClient(aws.config))).toBe(CANARY)
  } finally {
    prototype['send'] = ours
  }
  expect(calls).toBe(1)
  expect(await scene.said()).toHaveLength(1)
})

describe('a client of node-vault', () => {
  it.each([
    ['frozen', (client: nodeVaultPackage.client) => Object.freeze(client)],
    ['behind a proxy', (client: nodeVaultPackage.client) => new Proxy(client, {})],
    ['copied', (client: nodeVaultPackage.client) => ({ ...client })],
  ])('that is %s makes one row a call, and gets nothing while the store is down', async (_, change) => {
    const scene = scened({ strict: true })
    const client = change(nodeVault({ endpoint: vault.url, token: 't' }))
    const once = async (): Promise<unknown> => (await client.read('secret/data/orders')) as unknown
    expect(JSON.stringify(await once())).toContain(CANARY)
    scene.isDown = true
    expect(await thrownBy(once())).toBeInstanceOf(AuditError)
    scene.isDown = false
    expect(await scene.said()).toHaveLength(1)
  })
})
