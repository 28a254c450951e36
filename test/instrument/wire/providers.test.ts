import { describe, expect, it } from 'vitest'
import type { Access } from '../../../src/instrument/open-access.js'
import { INSTRUMENT_DEFAULTS, type InstrumentSettings } from '../../../src/instrument/settings.js'
import { mayBeAccess, recognise } from '../../../src/instrument/wire/recognise.js'

interface Sent {
  readonly method?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
}

const AUTH = { authorization: 'Bearer hunter2-canary' }
const AZURE = { host: 'kv.vault.azure.net' }
const POST = { method: 'POST' }

function found(path: string, sent: Sent, settings: Partial<InstrumentSettings> = {}): Access | undefined {
  const { method = 'GET', host = 'a.example', headers = {} } = sent
  const header = (name: string): string | undefined => headers[name]
  if (!mayBeAccess(method, path, () => false)) return undefined
  return recognise({ method, host, path, header }, { ...INSTRUMENT_DEFAULTS, ...settings })?.access()
}

const said = (access: Access | undefined): string | undefined =>
  access && `${access.provider} ${access.operation} ${access.credential}`

describe('a request that reads', () => {
  it.each<[string, Sent, string]>([
    ['/v1/vaults/v/items/i/files/f/content', { headers: AUTH }, '1password get_credential op://v/i/f'],
    ['/v1.0/secrets/store/bulk', {}, 'dapr get_credential dapr:store/*'],
    ['/api/v1/watch/namespaces/n/secrets/s', {}, 'kubernetes get_credential k8s:n/s'],
    ['/api/v4/secrets/DB?projectId=p&environment=dev', {}, 'infisical get_credential p/dev/DB'],
    ['/api/v3/secrets/raw/DB', {}, 'infisical get_credential */*/DB'],
    ['/v3/configs/config/secrets', {}, 'doppler get_credential */*/*'],
    [
      '/secrets/db/backup',
      { ...AZURE, ...POST },
      'azure get_credential https://kv.vault.azure.net/secrets/db',
    ],
    [
      '/keys/k/sign?api-version=7.4',
      { ...AZURE, ...POST },
      'azure use_key https://kv.vault.azure.net/keys/k',
    ],
    ['/secretsmanager/get', {}, 'aws get_credential unknown'],
    [
      '/secrets/org/variable/db%2Fpassword',
      { headers: AUTH },
      'conjur get_credential conjur:org/db/password',
    ],
    ['/api/secrets/org/variable/db', { headers: AUTH }, 'conjur get_credential conjur:org/db'],
    ['/20190301/secretbundles/ocid1.secret', {}, 'oci get_credential ocid1.secret'],
    [
      '/api/v2/secrets/id-1',
      { host: 'x.eu-de.secrets-manager.appdomain.cloud' },
      'ibm get_credential ibm:id-1',
    ],
    [
      '/v2/get-secret-value',
      { ...POST, host: 'api.akeyless.io' },
      'akeyless get_credential akeyless:unknown',
    ],
    [
      '/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1:asymmetricSign',
      POST,
      'gcp use_key projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1',
    ],
  ])('%s', (path, sent, wanted) => {
    expect(said(found(path, sent))).toBe(wanted)
  })

  it('of a whole list by a watch says so', () => {
    expect(found('/api/v1/watch/secrets', {})?.attributes).toMatchObject({ watch: true })
    expect(found('/api/v1/secrets?watch=1', {})?.attributes).toMatchObject({ watch: true })
    expect(found('/api/v1/secrets?watch=false', {})?.attributes).toMatchObject({ watch: undefined })
  })

  it('says the region, the version and what is done, where the path does', () => {
    const path = '/v1/projects/p/locations/europe-west1/secrets/s/versions/2:access'
    expect(found(path, {})).toMatchObject({ serverRegion: 'europe-west1', api: 'GET' })
    expect(found('/keys/k/v1/unwrapkey', { ...AZURE, ...POST })).toMatchObject({
      api: 'unwrapkey',
      attributes: { version: 'v1' },
    })
    expect(found('/secretsmanager/get?secretId=db&versionStage=AWSPREVIOUS', {})?.attributes).toMatchObject({
      stage: 'AWSPREVIOUS',
    })
  })

  it.each<[string, Sent]>([
    ['/v2/get-secret-value', { ...POST, host: 'akeyless.io.evil.example' }],
    ['/api/v2/secrets/id-1', {}],
    ['/secrets/org/variable/db', {}],
    ['/secrets/db', { host: 'vault.azure.net.evil.example' }],
  ])('is of nobody elsewhere: %s %j', (path, sent) => {
    expect(found(path, sent)).toBeUndefined()
  })
})

describe('a request that writes', () => {
  const cases: readonly (readonly [string, Sent, string])[] = [
    ['/v1/projects/p/secrets/s:addVersion', POST, 'gcp write_credential projects/p/secrets/s'],
    ['/api/v1/namespaces/n/secrets', POST, 'kubernetes write_credential k8s:n/*'],
    ['/api/v1/namespaces/n/secrets/s', { method: 'PATCH' }, 'kubernetes write_credential k8s:n/s'],
    [
      '/secrets/db',
      { ...AZURE, method: 'PUT' },
      'azure write_credential https://kv.vault.azure.net/secrets/db',
    ],
  ]
  it.each(cases)('%s %j', (path, sent, wanted) => {
    expect(found(path, sent)).toBeUndefined()
    expect(said(found(path, sent, { writes: true }))).toBe(wanted)
  })
})

describe('a request that takes on an identity', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/computeMetadata/v1/instance/service-accounts/default/identity', 'gcp assume_identity default'],
    [
      '/metadata/identity/oauth2/token?resource=https%3A%2F%2Fvault.azure.net',
      'azure assume_identity https://vault.azure.net',
    ],
    ['/metadata/identity/oauth2/token', 'azure assume_identity unknown'],
  ]
  it.each(cases)('%s', (path, wanted) => {
    expect(found(path, {})).toBeUndefined()
    expect(said(found(path, {}, { identity: true }))).toBe(wanted)
  })
})
