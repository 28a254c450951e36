import { request } from 'node:http'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import vault from 'node-vault'
import { FakeAws } from '../../test/instrument/fakes/fake-aws.js'
import { FakeServer } from '../../test/instrument/fakes/fake-server.js'
import { fakeVault } from '../../test/instrument/fakes/fake-vault.js'

/** The same call without and with the instrumentation. */
export interface Case {
  readonly name: string
  /** Whether each of its calls is one row. */
  readonly isAccess: boolean
  readonly bare: () => Promise<unknown>
  readonly hooked: () => Promise<unknown>
}

export interface Cases {
  readonly cases: readonly Case[]
  /** Between rounds: what the fakes remember of requests. */
  readonly forget: () => void
  readonly close: () => Promise<void>
}

/** @param hook hooks one client, and no other */
export async function startCases(hook: <Client extends object>(client: Client) => Client): Promise<Cases> {
  const value = 'a-secret-of-the-benchmark'
  const aws = await FakeAws.start(value)
  const bao = await fakeVault(value)
  const plain = await FakeServer.start(() => ({ status: 200, body: { ok: true } }))
  const bareAws = new SecretsManagerClient(aws.config)
  const hookedAws = hook(new SecretsManagerClient(aws.config))
  const bareVault = vault({ endpoint: bao.url, token: 'none' })
  const hookedVault = hook(vault({ endpoint: bao.url, token: 'none' }))
  const secret = (client: SecretsManagerClient) => () =>
    client.send(new GetSecretValueCommand({ SecretId: 'orders' }))
  const fetched = (url: string) => async () => {
    const headers = { 'x-vault-token': 'none' }
    return (await fetch(url, { headers })).text()
  }
  const both = (call: () => Promise<unknown>) => ({ bare: call, hooked: call })
  return {
    cases: [
      { name: 'AWS SDK v3', isAccess: true, bare: secret(bareAws), hooked: secret(hookedAws) },
      {
        name: 'node-vault',
        isAccess: true,
        bare: () => bareVault.read('secret/data/orders'),
        hooked: () => hookedVault.read('secret/data/orders'),
      },
      { name: 'fetch, of a Vault', isAccess: true, ...both(fetched(`${bao.url}/v1/secret/data/orders`)) },
      { name: 'fetch, other', isAccess: false, ...both(fetched(`${plain.url}/orders/7`)) },
      { name: 'node:http, other', isAccess: false, ...both(() => got(`${plain.url}/orders/7`)) },
    ],
    forget() {
      for (const { requests } of [aws.server, bao, plain]) requests.length = 0
    },
    async close() {
      bareAws.destroy()
      hookedAws.destroy()
      await Promise.all([aws.close(), bao.close(), plain.close()])
    },
  }
}

function got(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, (response) => response.resume().once('end', resolve))
      .once('error', reject)
      .end()
  })
}
