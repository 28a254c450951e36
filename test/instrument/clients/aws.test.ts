import * as kms from '@aws-sdk/client-kms'
import * as secretsManager from '@aws-sdk/client-secrets-manager'
import * as ssm from '@aws-sdk/client-ssm'
import * as sts from '@aws-sdk/client-sts'
import { AuditError } from 'otel-audit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AWS_HOOKS } from '../../../src/instrument/clients/aws.js'
import { waitUntil } from '../../support/wait-until.js'
import { FakeAws } from '../fakes/fake-aws.js'
import { CANARY, contextFor, hookedPackage, scened, thrownBy } from './hooked.js'

const { GetSecretValueCommand, SecretsManagerClient, SecretsManager } = secretsManager

let fake: FakeAws

beforeAll(async () => {
  fake = await FakeAws.start(CANARY)
  for (const [name, exports] of Object.entries({
    '@aws-sdk/client-secrets-manager': secretsManager,
    '@aws-sdk/client-ssm': ssm,
    '@aws-sdk/client-kms': kms,
  })) {
    const hook = AWS_HOOKS.find(({ packages }) => packages.includes(name))
    const { coverage } = await hookedPackage<object>(hook, name, exports)
    expect(coverage).toMatchObject({
      state: 'hooked',
      hook: expect.stringMatching(/Client\.prototype\.send$/),
    })
  }
  expect(fake.server.requests).toEqual([])
})

afterAll(() => fake.close())

const secret = (SecretId: string) => new GetSecretValueCommand({ SecretId })
const client = (more: object = {}) => new SecretsManagerClient({ ...fake.config, ...more })

describe('a read from Secrets Manager', () => {
  it('is one row', async () => {
    const scene = scened()
    const { SecretString } = await client().send(secret('orders'))
    expect(SecretString).toBe(CANARY)
    expect(await scene.said()).toEqual([
      {
        credential: 'orders',
        operation: 'get_credential',
        outcome: 'ok',
        provider: 'aws',
        api: 'GetSecretValue',
        seen: 'client',
        arn: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders-AbCdEf',
        version: 'version-of-the-secret-is-a-uuid-4',
        stage: 'AWSCURRENT',
        request_id: expect.stringMatching(/^request-/),
        attempts: 1,
      },
    ])
    expect(await scene.rows()).toMatchObject([{ serverRegion: 'eu-central-1', actorType: 'service' }])
  })

  it('is one row by callback, and by the aggregated class', async () => {
    const scene = scened()
    const byCallback = await new Promise((resolve, reject) => {
      client().send(secret('by-callback'), (error: Error | null, data) => {
        if (error) reject(error)
        else resolve(data?.SecretString)
      })
    })
    expect(byCallback).toBe(CANARY)
    const { SecretString } = await new SecretsManager(fake.config).getSecretValue({ SecretId: 'aggregated' })
    expect(SecretString).toBe(CANARY)
    expect(await scene.said()).toMatchObject([{ credential: 'by-callback' }, { credential: 'aggregated' }])
  })

  it('that works at the third attempt is one row', async () => {
    const scene = scened()
    await client().send(secret('flaky'))
    expect(fake.requestsFor('flaky')).toBe(3)
    expect(await scene.said()).toMatchObject([{ credential: 'flaky', outcome: 'ok', attempts: 3 }])
  })

  it.each([
    ['missing', 'credential_not_found', 'ResourceNotFoundException'],
    ['denied', 'access_denied', 'AccessDeniedException'],
    ['throttled', 'throttled', 'ThrottlingException'],
    ['invalid', 'invalid_request', 'ValidationException'],
    ['deleted', 'invalid_state', 'InvalidRequestException'],
    ['broken', 'provider_fetch_error', 'InternalServiceError'],
  ])('%s is one row with the outcome %s', async (name, outcome, type) => {
    const scene = scened({ strict: true })
    expect(await thrownBy(client({ maxAttempts: 1 }).send(secret(name)))).toMatchObject({ name: type })
    expect(await scene.said()).toMatchObject([{ credential: name, outcome, 'error.type': type }])
  })

  it('that reaches nobody is one row', async () => {
    const scene = scened()
    await thrownBy(client({ endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }).send(secret('a')))
    const credentials = () =>
      Promise.reject(Object.assign(new Error(CANARY), { name: 'CredentialsProviderError' }))
    await thrownBy(client({ credentials }).send(secret('b')))
    expect(await scene.said()).toMatchObject([
      { credential: 'a', outcome: 'provider_unreachable' },
      { credential: 'b', outcome: 'access_denied', 'error.type': 'CredentialsProviderError' },
    ])
  })

  it('in a batch is a row for each secret', async () => {
    const scene = scened({ strict: true })
    const SecretIdList = ['a', 'missing-b', 'denied-c']
    await client().send(new secretsManager.BatchGetSecretValueCommand({ SecretIdList }))
    const rows = await scene.said()
    expect(rows).toMatchObject([
      { credential: 'a', outcome: 'ok' },
      { credential: 'missing-b', outcome: 'credential_not_found' },
      { credential: 'denied-c', outcome: 'access_denied' },
    ])
    expect(new Set(rows.map((row) => (row as { batch?: string }).batch)).size).toBe(1)
  })

  it('is not seen in a command that answers with no secret', async () => {
    const scene = scened()
    await thrownBy(
      client({ maxAttempts: 1 }).send(new secretsManager.DescribeSecretCommand({ SecretId: 'a' })),
    )
    expect(await scene.said()).toEqual([])
  })
})

describe('strict', () => {
  it('the value is there after its row', async () => {
    const scene = scened({ strict: true })
    await client().send(secret('orders'))
    expect(scene.stored()).toHaveLength(1)
  })

  it('and the store down: by promise and by callback an AuditError, after one request', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    expect(await thrownBy(client().send(secret('held')))).toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    expect(fake.requestsFor('held')).toBe(1)
    const [error, data] = await new Promise<readonly unknown[]>((resolve) => {
      client().send(secret('held'), (...answer: unknown[]) => resolve(answer))
    })
    expect(error).toBeInstanceOf(AuditError)
    expect(data).toBeUndefined()
    expect(fake.requestsFor('held')).toBe(1)
    scene.isDown = false
    expect(await client().send(secret('held'))).toMatchObject({ SecretString: CANARY })
  })

  it('and the store down: a denial stays one, and says that its record failed', async () => {
    const scene = scened({ strict: true })
    scene.isDown = true
    const error = await thrownBy(client().send(secret('denied')))
    expect(error).toMatchObject({ name: 'AccessDeniedException', auditError: { code: 'AUDIT_UNAVAILABLE' } })
  })
})

describe('an abort', () => {
  it('before the answer is one row', async () => {
    const scene = scened({ strict: true })
    const abort = new AbortController()
    const call = client().send(secret('silent'), { abortSignal: abort.signal })
    await waitUntil('the request', () => fake.requestsFor('silent') > 0)
    abort.abort()
    const error = await thrownBy(call)
    expect(error).toMatchObject({ name: 'AbortError' })
    expect(error).not.toHaveProperty('auditError')
    expect(await scene.said()).toMatchObject([{ credential: 'silent', outcome: 'aborted' }])
  })

  it('during the hold ends the wait, and of this call alone', async () => {
    const scene = scened({ strict: true, deadlineMs: 60_000 })
    const gate = scene.gate()
    const [abort, command] = [new AbortController(), secret('aborted')]
    const shared = client()
    const aborted = shared.send(command, { abortSignal: abort.signal })
    await gate.arrived
    const other = shared.send(command)
    abort.abort()
    expect(await thrownBy(aborted)).toMatchObject({ name: 'AbortError' })
    gate.release()
    expect(await other).toMatchObject({ SecretString: CANARY })
    expect(await scene.said()).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }])
  })
})

describe('a read from SSM', () => {
  const parameters = () => new ssm.SSMClient(fake.config)

  it('is a row for each secret parameter, page by page', async () => {
    const scene = scened({ strict: true })
    const names: unknown[] = []
    const input = { Path: '/app', WithDecryption: true }
    for await (const page of ssm.paginateGetParametersByPath({ client: parameters() }, input)) {
      names.push(...(page.Parameters ?? []).map(({ Name }) => Name))
    }
    expect(names).toEqual(['/app/a', '/app/b-plain', '/app/c'])
    expect(await scene.said()).toMatchObject([
      { credential: '/app/a', api: 'GetParametersByPath', type: 'SecureString', version: '3' },
      { credential: '/app/c' },
    ])
  })

  it('is one for each name, found or not', async () => {
    const scene = scened()
    const Names = ['/app/a', '/app/b-plain', '/app/missing']
    await parameters().send(new ssm.GetParametersCommand({ Names, WithDecryption: true }))
    expect(await scene.said()).toMatchObject([
      { credential: '/app/a', outcome: 'ok' },
      { credential: '/app/missing', outcome: 'credential_not_found' },
    ])
  })

  it('by history is one row with the versions', async () => {
    const scene = scened()
    await parameters().send(new ssm.GetParameterHistoryCommand({ Name: '/app/a', WithDecryption: true }))
    expect(await scene.said()).toMatchObject([{ credential: '/app/a', versions: '1,2,3' }])
  })

  it('of what is not secret, or not decrypted, is none', async () => {
    const scene = scened()
    await parameters().send(new ssm.GetParameterCommand({ Name: '/app/b-plain', WithDecryption: true }))
    await parameters().send(new ssm.GetParameterCommand({ Name: '/app/a' }))
    expect(await scene.said()).toEqual([])
  })

  it('of what is not secret is one when all are asked for', async () => {
    const scene = scened({}, { ssm: 'all' })
    await parameters().send(new ssm.GetParameterCommand({ Name: '/app/b-plain' }))
    expect(await scene.said()).toMatchObject([{ credential: '/app/b-plain', type: 'String' }])
  })
})

describe('the use of a key of KMS', () => {
  const keys = () => new kms.KMSClient({ ...fake.config, maxAttempts: 1 })
  const CiphertextBlob = Buffer.from('sealed')

  it('is one row, with the key of the answer where the call has none', async () => {
    const scene = scened({ strict: true })
    const EncryptionContext = { tenant: CANARY }
    const { Plaintext } = await keys().send(new kms.DecryptCommand({ CiphertextBlob, EncryptionContext }))
    expect(Buffer.from(Plaintext ?? []).toString()).toBe(CANARY)
    await keys().send(new kms.GenerateDataKeyCommand({ KeyId: 'alias/a', KeySpec: 'AES_256' }))
    const Message = Buffer.from('m')
    await keys().send(new kms.SignCommand({ KeyId: 'k', Message, SigningAlgorithm: 'ECDSA_SHA_256' }))
    await keys().send(new kms.GenerateMacCommand({ KeyId: 'k', Message, MacAlgorithm: 'HMAC_SHA_256' }))
    expect(await scene.said()).toMatchObject([
      {
        operation: 'use_key',
        api: 'Decrypt',
        credential: 'arn:aws:kms:eu-central-1:111122223333:key/of-the-ciphertext',
        context_keys: 'tenant',
      },
      { api: 'GenerateDataKey', credential: 'alias/a', algorithm: 'AES_256' },
      { api: 'Sign', credential: 'k', algorithm: 'ECDSA_SHA_256' },
      { api: 'GenerateMac', credential: 'k', algorithm: 'HMAC_SHA_256' },
    ])
  })

  it.each([
    ['garbled', 'decryption_failure'],
    ['disabled', 'decryption_failure'],
    ['missing', 'credential_not_found'],
  ])('%s is one row with the outcome %s', async (KeyId, outcome) => {
    const scene = scened()
    await thrownBy(keys().send(new kms.DecryptCommand({ KeyId, CiphertextBlob })))
    expect(await scene.said()).toMatchObject([{ credential: KeyId, outcome }])
  })
})

describe('what puts or deletes a secret', () => {
  const put = new secretsManager.PutSecretValueCommand({ SecretId: 'orders', SecretString: CANARY })
  const parameter = new ssm.PutParameterCommand({ Name: '/app/a', Value: CANARY, Type: 'SecureString' })
  const plain = new ssm.PutParameterCommand({ Name: '/app/b', Value: 'x', Type: 'String' })
  const removed = new ssm.DeleteParametersCommand({ Names: ['/app/a', '/app/missing'] })

  async function all(): Promise<void> {
    await client().send(put)
    const parameters = new ssm.SSMClient(fake.config)
    await parameters.send(parameter)
    await parameters.send(plain)
    await parameters.send(removed)
  }

  it('is recorded where that is wanted', async () => {
    const scene = scened({ strict: true }, { writes: true })
    await all()
    expect(await scene.said()).toMatchObject([
      { operation: 'write_credential', credential: 'orders', api: 'PutSecretValue', outcome: 'ok' },
      { operation: 'write_credential', credential: '/app/a', api: 'PutParameter', version: '4' },
      { credential: '/app/a', api: 'DeleteParameters', outcome: 'ok' },
      { credential: '/app/missing', api: 'DeleteParameters', outcome: 'credential_not_found' },
    ])
  })

  it('is not, else', async () => {
    const scene = scened()
    await all()
    expect(await scene.said()).toEqual([])
  })
})

describe('an identity of STS', () => {
  it('is hooked by the option alone', async () => {
    const hook = AWS_HOOKS.find(({ name }) => name === 'aws-sts')
    expect(hook?.hook(sts, contextFor('@aws-sdk/client-sts'))).toBeUndefined()
    const { coverage } = await hookedPackage<object>(hook, '@aws-sdk/client-sts', sts, { identity: true })
    expect(coverage).toMatchObject({ state: 'hooked' })
    const scene = scened()
    await new sts.STSClient(fake.config).send(new sts.GetSessionTokenCommand({}))
    expect(await scene.said()).toMatchObject([
      { operation: 'assume_identity', credential: 'session', outcome: 'ok' },
    ])
  })
})

describe('a package without the class', () => {
  it('is said, and left as it is', async () => {
    const exports = { Other: Map }
    const { coverage, exports: given } = await hookedPackage<object>(AWS_HOOKS[0], 'another-client', exports)
    expect(given).toBe(exports)
    expect(coverage).toMatchObject({
      state: 'not_hooked',
      reason: 'there is no SecretsManagerClient.prototype.send',
    })
  })
})

describe('one client, handed over', () => {
  it('is hooked alone, and once', async () => {
    class Unhooked {
      readonly config = { serviceId: 'SSM', region: () => Promise.resolve('eu-central-1') }
      readonly middlewareStack = { add: () => undefined }
      send(): Promise<string> {
        return Promise.resolve(CANARY)
      }
    }
    const [, hook] = AWS_HOOKS
    const given = new Unhooked()
    const context = contextFor('handed-over')
    expect(AWS_HOOKS.map((one) => one.hookInstance?.({ config: given.config }, context))).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(hook?.hookInstance?.(given, context)).toBe(true)
    const { send } = given
    expect(send).not.toBe(Unhooked.prototype.send)
    expect(hook?.hookInstance?.(given, context)).toBe(true)
    expect(given.send).toBe(send)
    expect(await given.send()).toBe(CANARY)
  })

  it('of a class that is hooked is left as it is', () => {
    const given = new SecretsManager(fake.config)
    expect(AWS_HOOKS[0]?.hookInstance?.(given, contextFor('handed-over'))).toBe(true)
    expect(Object.hasOwn(given, 'send')).toBe(false)
  })
})
