import { fronted } from '../fronts.js'
import { fakeHooked, fakeManagers, type Providers } from '../providers.js'
import type { Suite, World } from '../suite.js'
import { type Format, made, namesOf, REGISTER } from './clients.js'
import { type Application, readingSuite, type Route } from './reading.js'

/** As 1Password makes them. */
const id = (name: string): string => name.replaceAll(/\W/g, '').padEnd(26, 'x')

const wire = (name: string, credential: Route['credential'], since?: number): Route => ({
  name,
  credential,
  seen: 'wire',
  ...(since !== undefined && { since }),
})
const hooked = (name: string, credential: string, operation?: string): Route => ({
  name,
  credential,
  seen: 'client',
  ...(operation !== undefined && { operation }),
})

const MANAGERS: readonly Route[] = [
  wire('kubernetes', 'k8s:orders/orders-db'),
  wire('infisical', 'orders/prod/orders-db'),
  wire('connect', (name) => `op://${id('vault')}/${id(name)}`),
  wire('doppler', 'orders/prod/orders-db'),
  wire('hashi-vault-js', 'secret/orders-db'),
  wire('litehex', 'secret/orders-db'),
  wire('aws-sdk', 'orders-db'),
  wire('aws-lite', '/orders/db'),
]

/** In their newest versions, the day it is run. */
export const managerPackages = (node: string): readonly string[] => [
  // Its version 2 needs Node 22.
  Number(node) < 22 ? '@kubernetes/client-node@^1.0.0' : '@kubernetes/client-node@latest',
  '@infisical/sdk@latest',
  '@1password/connect@latest',
  '@dopplerhq/node-sdk@latest',
  'hashi-vault-js@latest',
  '@litehex/node-vault@latest',
  'aws-sdk@latest',
  '@aws-lite/client@latest',
  '@aws-lite/ssm@latest',
]

const HOOKED: readonly Route[] = [
  hooked('azure-secrets', 'secrets/orders-db'),
  hooked('azure-keys', 'keys/orders-db', 'use_key'),
  hooked('google-secrets', 'projects/p/secrets/orders-db/versions/latest'),
  hooked('google-kms', 'projects/p/locations/global/keyRings/r/cryptoKeys/orders-db', 'use_key'),
  { ...hooked('1password', 'op://orders/orders-db/password'), refusedAs: 'credential_not_found' },
  hooked('powertools', 'orders-db'),
  hooked('middy', 'orders-db'),
  { ...hooked('rds-signer', 'rds:orders@db.internal:5432', 'issue_credential'), isLocal: true },
]

export const HOOKED_CLIENT_PACKAGES = [
  '@azure/keyvault-keys',
  '@azure/keyvault-secrets',
  '@google-cloud/kms',
  '@google-cloud/secret-manager',
  'google-gax',
  '@1password/sdk',
  '@aws-lambda-powertools/parameters',
  '@middy/core@^6.0.0',
  '@middy/secrets-manager@^6.0.0',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/rds-signer',
]

const HTTP: readonly Route[] = [
  ...['axios', 'got', 'superagent', 'needle', 'node-fetch', 'ky'].map((name) =>
    wire(name, 'secret/orders-db'),
  ),
  wire('aws4fetch', 'orders-db'),
]

export const httpClientPackages = (node: string): readonly string[] => [
  'axios',
  Number(node) < 22 ? 'got@^14.0.0' : 'got',
  'superagent',
  'needle',
  'node-fetch',
  Number(node) < 22 ? 'ky@^1.0.0' : 'ky',
  'aws4fetch',
]

function application(
  name: string,
  file: string,
  packages: readonly string[],
  routes: readonly Route[],
  format: Format = 'ESM',
): Application {
  return {
    name: format === 'ESM' ? name : `${name}, ${format}`,
    about: namesOf(packages),
    routes,
    async prepare({ consumer }) {
      await consumer.take('matrix/apps', `${file}.mjs`, 'serving.mjs')
      return [...REGISTER, await made(consumer, file, format)]
    },
  }
}

/** Clients without a hook: their traffic is what is seen. */
export const managersSuite = (node: string): Suite =>
  readingSuite(
    application('clients without a hook', 'managers', managerPackages(node), MANAGERS),
    fakeManagers,
  )

export const hookedSuite = (format: Format): Suite =>
  readingSuite(
    application(
      'other hooked clients',
      'hooked-clients',
      HOOKED_CLIENT_PACKAGES,
      // Middy is an ES module alone.
      format === 'ESM' ? HOOKED : HOOKED.filter(({ name }) => name !== 'middy'),
      format,
    ),
    azureOverTls,
  )

/** Clients of Azure ask for nothing without TLS. */
const azureOverTls = async (world: World): Promise<Providers> => {
  const behind = await fronted(await fakeHooked(), 'TLS', world, ['AZURE_URL'])
  const { host } = new URL(behind.env['AZURE_URL'] ?? '')
  return { ...behind, env: { ...behind.env, NOETL_SECRET_AUDIT_HOSTS: `azure=${host}` } }
}

export const httpClientsSuite = (node: string): Suite =>
  readingSuite(application('HTTP clients', 'http-clients', httpClientPackages(node), HTTP), fakeManagers)
