import { describe, expect, it } from 'vitest'
import type { Access } from '../../../src/instrument/open-access.js'
import { INSTRUMENT_DEFAULTS, type InstrumentSettings } from '../../../src/instrument/settings.js'
import { mayBeAccess, recognise } from '../../../src/instrument/wire/recognise.js'

interface Sent {
  readonly method?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

function accessOf(
  path: string,
  sent: Sent = {},
  settings: Partial<InstrumentSettings> = {},
): Access | undefined {
  const { method = 'GET', host = 'a.example', headers = {}, body } = sent
  const header = (name: string): string | undefined => headers[name]
  if (!mayBeAccess(method, path, () => header('x-amz-target') !== undefined)) return undefined
  return recognise({ method, host, path, header }, { ...INSTRUMENT_DEFAULTS, ...settings })?.access(body)
}

/** What is asked for, in short. */
function asked(
  path: string,
  sent: Sent = {},
  settings: Partial<InstrumentSettings> = {},
): string | undefined {
  const access = accessOf(path, sent, settings)
  return access && `${access.provider} ${access.operation} ${access.credential}`
}

const TOKEN = { 'x-vault-token': 'hvs.hunter2-canary' }
const AUTH = { authorization: 'Bearer hunter2-canary' }

describe('a request to a Vault', () => {
  it.each([
    ['GET', '/v1/secret/data/orders/db', 'get_credential secret/orders/db'],
    ['GET', '/v1/kv/orders', 'get_credential kv/orders'],
    ['GET', '/v1/cubbyhole/mine', 'get_credential cubbyhole/mine'],
    ['POST', '/v1/sys/wrapping/unwrap', 'get_credential sys/wrapping/unwrap'],
    ['GET', '/v1/database/creds/app', 'issue_credential database/creds/app'],
    ['PUT', '/v1/pki/issue/web', 'issue_credential pki/issue/web'],
    ['POST', '/v1/auth/approle/login', 'issue_credential auth/approle/login'],
    ['POST', '/v1/transit/decrypt/key', 'use_key transit/decrypt/key'],
    ['POST', '/v1/transit/datakey/plaintext/key', 'use_key transit/datakey/plaintext/key'],
  ])('%s %s', (method, path, said) => {
    expect(asked(path, { method, headers: TOKEN })).toBe(`vault ${said}`)
  })

  it.each([
    ['GET', '/v1/secret/metadata/orders/db'],
    ['GET', '/v1/secret/subkeys/orders/db'],
    ['GET', '/v1/secret/orders?list=true'],
    ['LIST', '/v1/secret/orders'],
    ['HEAD', '/v1/secret/data/orders/db'],
    ['GET', '/v1/sys/health'],
    ['GET', '/v1/auth/token/lookup-self'],
    ['POST', '/v1/secret/data/orders/db'],
    ['POST', '/v1/transit/encrypt/key'],
    ['GET', '/v1/pki/ca/pem'],
  ])('%s %s has no secret in its answer', (method, path) => {
    expect(asked(path, { method, headers: TOKEN })).toBeUndefined()
  })

  it('is one by its address, too: of an agent that has the token itself, or with a bearer', () => {
    const hosts = new Map([['vault', new Set(['agent.internal:8100'])]])
    const sent = { host: 'agent.internal:8100', headers: AUTH }
    expect(asked('/v1/secret/data/db', sent, { hosts })).toBe('vault get_credential secret/db')
    expect(asked('/v1/secret/data/db', { headers: AUTH })).toBeUndefined()
  })

  it('says which Vault, and which namespace', () => {
    const headers = { ...TOKEN, 'x-vault-namespace': 'team-a' }
    expect(accessOf('/v1/secret/data/db?version=3', { host: 'bao:8200', headers })?.attributes).toEqual({
      server_address: 'bao:8200',
      namespace: 'team-a',
      version: '3',
    })
  })

  it('may write, where writes are recorded', () => {
    const sent = { method: 'POST', headers: TOKEN }
    expect(asked('/v1/secret/data/db', sent, { writes: true })).toBe('vault write_credential secret/db')
  })
})

describe('the target', () => {
  const wanted = 'vault get_credential secret/orders/db'
  it.each([
    'http://bao:8200/v1/secret/data/orders/db',
    '/v1//secret/data/orders/db',
    '//v1/secret/data/orders/db',
    '/v1/secret/./data/x/../orders/db',
    '/v1/secret/data/orders%2Fdb',
    '/v1/s%65cret/data/orders/db',
    '/%76%31/secret/data/orders/db',
    '/vault/v1/secret/data/orders/db',
  ])('%s is read as a server reads it', (path) => {
    expect(asked(path, { headers: TOKEN })).toBe(wanted)
  })

  it('of a forward proxy names the host that is meant', () => {
    const path = 'http://kv.vault.azure.net/secrets/db?api-version=7.4'
    expect(asked(path, { host: 'proxy:3128' })).toBe(
      'azure get_credential https://kv.vault.azure.net/secrets/db',
    )
  })

  it('that nobody can decode is taken as it is', () => {
    expect(asked('/v1/secret/data/%E0%A4%A', { headers: TOKEN })).toBe('vault get_credential secret/%E0%A4%A')
  })

  it.each([
    ['/v1/auth/token/create/hvs.CAESIhunter2', 'auth/token/create/[redacted]'],
    ['/v1/auth/jwt/login/eyJhbGciOi.hunter2', 'auth/jwt/login/[redacted]'],
    [`/v1/auth/x/login/${'hunter2'.repeat(10)}`, 'auth/x/login/[redacted]'],
  ])('%s is recorded without what is like a token', (path, credential) => {
    expect(accessOf(path, { method: 'POST', headers: TOKEN })?.credential).toBe(credential)
  })
})

describe('a request to AWS', () => {
  const json = (target: string, body?: object): Sent => ({
    method: 'POST',
    headers: {
      'x-amz-target': target,
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIA/20261129/eu-west-1/secretsmanager/aws4_request, SignedHeaders=x',
      'amz-sdk-request': 'attempt=2; max=3',
      'amz-sdk-invocation-id': 'i-1',
    },
    ...(body && { body: JSON.stringify(body) }),
  })

  it.each([
    ['secretsmanager.GetSecretValue', { SecretId: 'db' }, 'get_credential db'],
    ['secretsmanager.BatchGetSecretValue', { SecretIdList: ['a', 'b'] }, 'get_credential a'],
    ['secretsmanager.BatchGetSecretValue', { Filters: [{ Key: 'name', Values: ['x'] }] }, 'get_credential *'],
    ['AmazonSSM.GetParameter', { WithDecryption: true, Name: '/a' }, 'get_credential /a'],
    ['AmazonSSM.GetParametersByPath', { Path: '/a', WithDecryption: true }, 'get_credential /a/*'],
    ['AmazonSSM.GetParameterHistory', { Name: '/a', WithDecryption: true }, 'get_credential /a'],
    ['TrentService.Decrypt', { CiphertextBlob: 'AAAA', KeyId: 'alias/k' }, 'use_key alias/k'],
    ['TrentService.Decrypt', { CiphertextBlob: 'AAAA' }, 'use_key unknown'],
    ['TrentService.Sign', { Message: '"KeyId":"no"', KeyId: 'k' }, 'use_key k'],
  ])('%s %j', (target, body, said) => {
    expect(asked('/', json(target, body))).toBe(`aws ${said}`)
  })

  it.each([
    ['AmazonSSM.GetParameter', { Name: '/a' }],
    ['AmazonSSM.GetParameter', { Name: '/a', WithDecryption: false }],
    ['secretsmanager.ListSecrets', {}],
    ['secretsmanager.PutSecretValue', { SecretId: 'db', SecretString: 'x' }],
    ['DynamoDB_20120810.GetItem', { Key: {} }],
    ['__proto__.constructor', {}],
  ])('%s %j has no secret in its answer', (target, body) => {
    expect(asked('/', json(target, body))).toBeUndefined()
  })

  it('says region, attempt and invocation', () => {
    const access = accessOf('/', json('secretsmanager.GetSecretValue', { SecretId: 'db' }))
    expect(access).toMatchObject({ serverRegion: 'eu-west-1', api: 'GetSecretValue' })
    expect(access?.attributes).toMatchObject({ attempt: 2, invocation: 'i-1' })
  })

  it('whose body is not known is one all the same', () => {
    expect(asked('/', json('secretsmanager.GetSecretValue'))).toBe('aws get_credential unknown')
  })

  it('in CBOR', () => {
    const text = (value: string) => Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)])
    // {"VersionId": 1, "X": h'00', "SecretId": "db"}, of unknown length.
    const body = Buffer.concat([
      Buffer.from([0xbf]),
      text('VersionId'),
      Buffer.from([0x01]),
      text('X'),
      Buffer.from([0x41, 0x00]),
      text('SecretId'),
      text('db'),
      Buffer.from([0xff]),
    ])
    const path = '/service/secretsmanager/operation/GetSecretValue'
    expect(asked(path, { method: 'POST', body })).toBe('aws get_credential db')
    expect(asked(path, { method: 'POST', body: body.subarray(0, 12) })).toBe('aws get_credential unknown')
  })
})

describe('a request to another provider', () => {
  const azure = { host: 'kv.vault.azure.net' }
  it.each<[string, Sent, string]>([
    [
      '/v1/projects/p/secrets/s/versions/latest:access',
      {},
      'gcp get_credential projects/p/secrets/s/versions/latest',
    ],
    [
      '/v1/projects/p/locations/europe-west1/secrets/s/versions/2:access',
      {},
      'gcp get_credential projects/p/locations/europe-west1/secrets/s/versions/2',
    ],
    [
      '/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt',
      { method: 'POST' },
      'gcp use_key projects/p/locations/l/keyRings/r/cryptoKeys/k',
    ],
    ['/secrets/db/?api%2Dversion=7.4', azure, 'azure get_credential https://kv.vault.azure.net/secrets/db'],
    ['/secrets/db/a1b2?api-version=7.4', azure, 'azure get_credential https://kv.vault.azure.net/secrets/db'],
    [
      '/keys/k/v1/unwrapkey?api-version=7.4',
      { ...azure, method: 'POST' },
      'azure use_key https://kv.vault.azure.net/keys/k',
    ],
    ['/v1/vaults/v/items/i', { headers: AUTH }, '1password get_credential op://v/i'],
    [
      '/api/v3/secrets/raw/DB?workspaceId=p&environment=dev&secretPath=%2Fapi',
      {},
      'infisical get_credential p/dev/api/DB',
    ],
    ['/api/v3/secrets/raw?workspaceId=p&environment=dev', {}, 'infisical get_credential p/dev/*'],
    ['/v3/configs/config/secret?project=p&config=dev&name=DB', {}, 'doppler get_credential p/dev/DB'],
    ['/v3/configs/config/secrets/download?project=p&config=dev', {}, 'doppler get_credential p/dev/*'],
    ['/api/v1/namespaces/n/secrets/s', {}, 'kubernetes get_credential k8s:n/s'],
    ['/api/v1/namespaces/n/secrets', {}, 'kubernetes get_credential k8s:n/*'],
    ['/api/v1/secrets', {}, 'kubernetes get_credential k8s:*/*'],
    [
      '/api/v1/namespaces/n/serviceaccounts/s/token',
      { method: 'POST' },
      'kubernetes issue_credential k8s:n/serviceaccounts/s',
    ],
    ['/secretsmanager/get?secretId=db', { host: 'localhost:2773' }, 'aws get_credential db'],
    ['/systemsmanager/parameters/get?name=%2Fa&withDecryption=true', {}, 'aws get_credential /a'],
    ['/v1.0/secrets/store/key', { host: 'localhost:3500' }, 'dapr get_credential dapr:store/key'],
  ])('%s', (path, sent, said) => {
    expect(asked(path, sent)).toBe(said)
  })

  it.each<[string, Sent]>([
    ['/secrets/db', {}],
    ['/secrets/db/versions', azure],
    ['/secrets', azure],
    ['/v1/vaults/v/items', { headers: AUTH }],
    ['/v1/vaults/v/items/i', {}],
    ['/v3/configs/config/secrets/names?project=p', {}],
    ['/api/v1/namespaces/n/pods/secrets', {}],
    ['/v1/projects/p/secrets/s', {}],
    ['/v1/orders/7', {}],
    ['/', {}],
    ['*', { method: 'OPTIONS' }],
  ])('%s is none', (path, sent) => {
    expect(asked(path, sent)).toBeUndefined()
  })

  it('a watch of Kubernetes is one', () => {
    expect(accessOf('/api/v1/namespaces/n/secrets?watch=true')?.attributes).toMatchObject({ watch: true })
  })

  it('a host that was named is one of the provider', () => {
    const hosts = new Map([['azure', new Set(['kv.internal'])]])
    expect(asked('/secrets/db', { host: 'kv.internal' }, { hosts })).toBe(
      'azure get_credential https://kv.internal/secrets/db',
    )
  })

  it('identities are recorded by option', () => {
    const path = '/computeMetadata/v1/instance/service-accounts/default/token'
    expect(asked(path)).toBeUndefined()
    expect(asked(path, {}, { identity: true })).toBe('gcp assume_identity default')
  })
})

it('nothing of a query but what is asked for is recorded, and no header', () => {
  const sent = { headers: { ...TOKEN, ...AUTH }, host: 'a' }
  const all = [
    accessOf('/api/v3/secrets/raw/DB?workspaceId=p&environment=dev&token=hunter2-canary', sent),
    accessOf('/v1/secret/data/db?x=hunter2-canary', sent),
  ]
  expect(all).not.toContain(undefined)
  expect(JSON.stringify(all)).not.toContain('hunter2')
})
