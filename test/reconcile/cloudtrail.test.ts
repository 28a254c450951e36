import { describe, expect, it } from 'vitest'
import { readCloudTrail } from '../../src/reconcile/cloudtrail.js'
import { plainName } from '../../src/reconcile/provider-access.js'
import { aCloudTrailEvent } from './provider-logs.js'

const read = (event: object) => readCloudTrail(Buffer.from(JSON.stringify(event)))
const credentials = (event: object) => read(event)?.accesses.map(({ credential }) => credential)

describe('an event of CloudTrail', () => {
  it('is an access, with what tells it from others', () => {
    expect(read(aCloudTrailEvent())).toEqual({
      time: Date.UTC(2026, 10, 29, 10, 0, 3) * 1000,
      isByService: false,
      accesses: [
        {
          log: 'cloudtrail',
          time: Date.UTC(2026, 10, 29, 10, 0, 3) * 1000,
          requestId: 'a7e3f3c0-0001',
          credential: 'orders-db',
          namespace: '',
          api: 'GetSecretValue',
          identity: 'arn:aws:sts::111122223333:assumed-role/orders/i-1',
          result: 'released',
        },
      ],
    })
  })

  it.each([
    ['secretsmanager', 'BatchGetSecretValue', { secretIdList: ['a', 'b'] }, ['a', 'b']],
    ['secretsmanager', 'BatchGetSecretValue', { filters: [{ key: 'name' }] }, ['/*']],
    ['ssm', 'GetParameter', { name: '/orders/db', withDecryption: true }, ['/orders/db']],
    ['ssm', 'GetParameter', { name: '/orders/db' }, []],
    ['ssm', 'GetParameters', { names: ['/a', '/b'], withDecryption: true }, ['/a', '/b']],
    ['ssm', 'GetParametersByPath', { path: '/orders/', withDecryption: true }, ['/orders/*']],
    ['ssm', 'GetParameterHistory', { name: '/a', withDecryption: true }, ['/a']],
    ['kms', 'Decrypt', { keyId: 'alias/orders' }, ['alias/orders']],
    ['kms', 'GenerateDataKey', { keyId: 'k' }, ['k']],
    ['kms', 'Sign', { keyId: 'k' }, ['k']],
    ['kms', 'Encrypt', { keyId: 'k' }, []],
    ['secretsmanager', 'DescribeSecret', { secretId: 'a' }, []],
    ['secretsmanager', 'toString', {}, []],
    ['ec2', 'GetSecretValue', { secretId: 'a' }, []],
  ])('%s %s %j asks for %j', (service, eventName, requestParameters, asked) => {
    const eventSource = `${service}.amazonaws.com`
    expect(credentials(aCloudTrailEvent({ eventSource, eventName, requestParameters }))).toEqual(asked)
  })

  it('of a Decrypt without a key id names the key that was used', () => {
    const event = aCloudTrailEvent({
      eventSource: 'kms.amazonaws.com',
      eventName: 'Decrypt',
      requestParameters: { encryptionContext: {} },
      resources: [{ ARN: 'arn:aws:kms:eu-central-1:111122223333:key/1', type: 'AWS::KMS::Key' }],
    })
    expect(credentials(event)).toEqual(['arn:aws:kms:eu-central-1:111122223333:key/1'])
  })

  it.each([
    [undefined, 'released'],
    ['AccessDenied', 'refused'],
    ['ResourceNotFoundException', 'refused'],
    ['ThrottlingException', 'repeated'],
    ['InternalServiceError', 'repeated'],
  ])('with the error %s was %s', (errorCode, result) => {
    expect(read(aCloudTrailEvent({ errorCode }))?.accesses[0]?.result).toBe(result)
  })

  it('by a service of AWS is told apart', () => {
    const by = (userIdentity: object) => read(aCloudTrailEvent({ userIdentity }))?.isByService
    expect(by({ type: 'AssumedRole', invokedBy: 'secretsmanager.amazonaws.com' })).toBe(true)
    expect(by({ type: 'AWSService' })).toBe(true)
    expect(by({ type: 'AssumedRole', arn: 'arn:x' })).toBe(false)
  })

  it('of a look-up is the text within', () => {
    const event = { EventId: '1', CloudTrailEvent: JSON.stringify(aCloudTrailEvent()) }
    expect(credentials(event)).toEqual(['orders-db'])
  })

  it.each([
    '{',
    '[]',
    'null',
    '{}',
    '{"eventTime":"yesterday","eventSource":"a","eventName":"b"}',
    '{"CloudTrailEvent":"x"}',
  ])('%s is not one', (text) => {
    expect(readCloudTrail(Buffer.from(text))).toBeUndefined()
  })
})

it.each([
  ['orders-db', 'orders-db'],
  ['arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/orders-db-AbC1d2', 'team/orders-db'],
  ['arn:aws-cn:ssm:cn-north-1:111122223333:parameter/orders/db', 'orders/db'],
  ['/orders/db', 'orders/db'],
  ['arn:aws:kms:eu-central-1:111122223333:key/1234', '1234'],
  ['arn:aws:kms:eu-central-1:111122223333:alias/orders', 'alias/orders'],
])('%s is plainly %s', (credential, name) => {
  expect(plainName(credential)).toBe(name)
})
