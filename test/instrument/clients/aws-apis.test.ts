import { describe, expect, it } from 'vitest'
import {
  AWS_APIS,
  type AwsApi,
  awsAccess,
  awsReading,
  type SsmScope,
} from '../../../src/instrument/clients/aws-apis.js'
import { awsOutcomeOf } from '../../../src/instrument/clients/aws-errors.js'

const CANARY = 'canary-of-the-tables-5f1c'

function api(client: keyof typeof AWS_APIS, name: string): AwsApi {
  const apis: Readonly<Record<string, AwsApi>> = AWS_APIS[client]
  const found = apis[name]
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

/** What a call and its answer come to. */
function read(
  client: keyof typeof AWS_APIS,
  name: string,
  input: object,
  output: object,
  scope: SsmScope = 'secure',
) {
  const access = awsAccess(name, api(client, name), input, scope, 'eu-central-1')
  if (access === undefined) return undefined
  const rows = awsReading(api(client, name), scope).rows(output, access)
  expect(JSON.stringify([access, rows])).not.toContain(CANARY)
  return { access, rows }
}

describe('an access to Secrets Manager', () => {
  it('is named by what was asked for; the answer says version and stage', () => {
    const output = {
      ARN: 'arn:of:orders',
      VersionId: 'v-1',
      VersionStages: ['AWSCURRENT', 'blue'],
      SecretString: CANARY,
      $metadata: { requestId: 'r-1', attempts: 3 },
    }
    expect(read('SecretsManagerClient', 'GetSecretValue', { SecretId: 'orders' }, output)).toEqual({
      access: {
        provider: 'aws',
        api: 'GetSecretValue',
        operation: 'get_credential',
        credential: 'orders',
        serverRegion: 'eu-central-1',
        attributes: {},
      },
      rows: [
        {
          outcome: 'ok',
          attributes: {
            arn: 'arn:of:orders',
            version: 'v-1',
            stage: 'AWSCURRENT,blue',
            request_id: 'r-1',
            attempts: 3,
          },
        },
      ],
    })
  })

  it('in a batch has a row for each secret, and for each that was refused', () => {
    const found = read(
      'SecretsManagerClient',
      'BatchGetSecretValue',
      { SecretIdList: ['a', 'b', 'c'] },
      {
        SecretValues: [{ Name: 'a', ARN: 'arn:a', SecretString: CANARY }],
        Errors: [
          { SecretId: 'b', ErrorCode: 'ResourceNotFoundException', Message: CANARY },
          { SecretId: 'c', ErrorCode: 'AccessDeniedException' },
        ],
        $metadata: { requestId: 'r-2' },
      },
    )
    expect(found?.access).toMatchObject({ credential: 'a', batch: ['a', 'b', 'c'] })
    expect(found?.rows).toEqual([
      { credential: 'a', outcome: 'ok', attributes: { arn: 'arn:a', request_id: 'r-2', batch: 'r-2' } },
      {
        credential: 'b',
        outcome: 'credential_not_found',
        attributes: { 'error.type': 'ResourceNotFoundException', request_id: 'r-2', batch: 'r-2' },
      },
      {
        credential: 'c',
        outcome: 'access_denied',
        attributes: { 'error.type': 'AccessDeniedException', request_id: 'r-2', batch: 'r-2' },
      },
    ])
  })

  it('by a filter is named * until the answer has names', () => {
    const found = read(
      'SecretsManagerClient',
      'BatchGetSecretValue',
      { Filters: [] },
      { SecretValues: [{ Name: 'x' }] },
    )
    expect(found?.access.credential).toBe('*')
    expect(found?.rows.map(({ credential }) => credential)).toEqual(['x'])
  })
})

describe('an access to SSM', () => {
  const parameters = {
    Parameters: [
      { Name: '/app/a', Type: 'SecureString', Value: CANARY, Version: 3 },
      { Name: '/app/b', Type: 'String', Value: CANARY, Version: 1 },
    ],
    InvalidParameters: ['/app/zz'],
  }
  const names = { Names: ['/app/a', '/app/b', '/app/zz'] }

  it('is one to a secret only with decryption', () => {
    expect(read('SSMClient', 'GetParameters', names, parameters)).toBeUndefined()
    expect(read('SSMClient', 'GetParameter', { Name: '/app/a', WithDecryption: false }, {})).toBeUndefined()
  })

  it('has a row for each secret parameter, and for each that was not found', () => {
    const found = read('SSMClient', 'GetParameters', { ...names, WithDecryption: true }, parameters)
    expect(found?.rows).toMatchObject([
      { credential: '/app/a', outcome: 'ok', attributes: { version: '3', type: 'SecureString' } },
      { credential: '/app/zz', outcome: 'credential_not_found', attributes: { type: 'unknown' } },
    ])
  })

  it('has one for every parameter when all are asked for', () => {
    const found = read('SSMClient', 'GetParameters', names, parameters, 'all')
    expect(found?.rows.map(({ credential }) => credential)).toEqual(['/app/a', '/app/b', '/app/zz'])
  })

  it('has none when the parameter turns out not to be a secret', () => {
    const input = { Name: '/app/b', WithDecryption: true }
    expect(read('SSMClient', 'GetParameter', input, { Parameter: { Type: 'String' } })?.rows).toEqual([])
  })

  it('by path is named with a star', () => {
    const found = read(
      'SSMClient',
      'GetParametersByPath',
      { Path: '/app/', WithDecryption: true },
      parameters,
    )
    expect(found?.access.credential).toBe('/app/*')
    expect(found?.rows.map(({ credential }) => credential)).toEqual(['/app/a'])
  })

  it('to a history is one row with its versions', () => {
    const history = [1, 2].map((Version) => ({
      Name: '/app/a',
      Type: 'SecureString',
      Value: CANARY,
      Version,
    }))
    const input = { Name: '/app/a', WithDecryption: true }
    expect(read('SSMClient', 'GetParameterHistory', input, { Parameters: history })?.rows).toMatchObject([
      { outcome: 'ok', attributes: { versions: '1,2', type: 'SecureString' } },
    ])
  })
})

describe('the use of a key of KMS', () => {
  it('has the key of the answer where the call has none, and of the context the names alone', () => {
    const input = { CiphertextBlob: new Uint8Array(2), EncryptionContext: { tenant: CANARY, table: 'x' } }
    const output = {
      KeyId: 'arn:key',
      Plaintext: Buffer.from(CANARY),
      EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    }
    expect(read('KMSClient', 'Decrypt', input, output)).toMatchObject({
      access: { operation: 'use_key', credential: 'unknown', attributes: { context_keys: 'tenant,table' } },
      rows: [{ credential: 'arn:key', outcome: 'ok', attributes: { algorithm: 'SYMMETRIC_DEFAULT' } }],
    })
  })

  it('keeps the key as it was asked for', () => {
    const found = read(
      'KMSClient',
      'Sign',
      { KeyId: 'alias/a', SigningAlgorithm: 'RSASSA' },
      { KeyId: 'arn:key' },
    )
    expect(found?.rows).toEqual([{ credential: undefined, outcome: 'ok', attributes: { arn: 'arn:key' } }])
    expect(found?.access).toMatchObject({ credential: 'alias/a', attributes: { algorithm: 'RSASSA' } })
  })
})

describe('an error of AWS', () => {
  it.each([
    ['ResourceNotFoundException', 400, 'credential_not_found'],
    ['ParameterVersionNotFound', 400, 'credential_not_found'],
    ['AccessDeniedException', 400, 'access_denied'],
    ['UnrecognizedClientException', 400, 'access_denied'],
    ['ExpiredTokenException', 400, 'access_denied'],
    ['CredentialsProviderError', undefined, 'access_denied'],
    ['ThrottlingException', 400, 'throttled'],
    ['LimitExceededException', 400, 'throttled'],
    ['DecryptionFailure', 400, 'decryption_failure'],
    ['InvalidCiphertextException', 400, 'decryption_failure'],
    ['KMSInvalidStateException', 400, 'decryption_failure'],
    ['DisabledException', 400, 'decryption_failure'],
    ['InvalidRequestException', 400, 'invalid_state'],
    ['InvalidParameterException', 400, 'invalid_request'],
    ['ValidationException', 400, 'invalid_request'],
    ['InvalidKeyId', 400, 'invalid_request'],
    ['InternalServiceError', 500, 'provider_fetch_error'],
    ['SomethingOfTomorrow', 503, 'provider_fetch_error'],
    ['SomethingOfTomorrow', 400, 'other'],
    ['AbortError', undefined, 'aborted'],
    ['TimeoutError', undefined, 'aborted'],
  ])('%s, %s is %s', (name, httpStatusCode, outcome) => {
    expect(awsOutcomeOf({ name, $metadata: { httpStatusCode } })).toBe(outcome)
  })

  it('of the network is one of reaching the provider; one of the application is other', () => {
    expect(awsOutcomeOf(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))).toBe(
      'provider_unreachable',
    )
    expect(awsOutcomeOf(new TypeError('no'))).toBe('other')
    expect(awsOutcomeOf(undefined)).toBe('other')
  })
})
