import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { S3Client, type S3Settings } from '../../../src/archive/s3/s3-client.js'
import { parseS3Place } from '../../../src/archive/s3/s3-place.js'
import { S3Store } from '../../../src/archive/s3/s3-store.js'
import { taken } from '../../../src/host/globals.js'
import { FakeS3, type Fault } from '../../support/object-storage/fake-s3.js'

let s3: FakeS3
let store: S3Store
const waits = taken.setTimeout

beforeEach(async () => {
  s3 = await FakeS3.start()
  store = storeWith({})
})

afterEach(async () => {
  taken.setTimeout = waits
  await s3.close()
})

const storeWith = (settings: Partial<S3Settings>, place = 's3://archives/wallet'): S3Store =>
  new S3Store(new S3Client(parseS3Place(place), { ...s3.settings, ...settings }))

describe('what is refused says what to do', () => {
  test.each<[string, () => S3Store, string, string]>([
    [
      'a key that is not known',
      () => storeWith({ accessKeyId: 'AKIDOTHER' }),
      '403 InvalidAccessKeyId',
      'AWS_ACCESS_KEY_ID',
    ],
    [
      'a secret that is another',
      () => storeWith({ secretAccessKey: 'x' }),
      '403 SignatureDoesNotMatch',
      'AWS_SECRET_ACCESS_KEY',
    ],
    [
      'a session that is another',
      () => storeWith({ sessionToken: 'x' }),
      '403 InvalidToken',
      'session token',
    ],
    [
      'another region',
      () => storeWith({ region: 'us-east-2' }),
      'is in the region eu-central-1',
      'AWS_REGION',
    ],
    [
      'a bucket that is not there',
      () => storeWith({}, 's3://archives-of-others'),
      '404 NoSuchBucket',
      'Make the bucket',
    ],
  ])('%s', async (_, make, message, remedy) => {
    await expect(make().folders()).rejects.toMatchObject({
      code: 'AUDIT_ARCHIVE',
      message: expect.stringContaining(message),
      remedy: expect.stringContaining(remedy),
    })
  })

  test('a clock that is wrong', async () => {
    s3.skewMs = 20 * 60_000
    await expect(store.folders()).rejects.toMatchObject({
      message: expect.stringContaining('RequestTimeTooSkewed'),
      remedy: expect.stringContaining('clock'),
    })
  })

  test.each<[string, Fault, string, string]>([
    [
      'a permission that is missing',
      { status: 403, code: 'AccessDenied' },
      '403 AccessDenied',
      's3:ListBucketVersions',
    ],
    [
      'a redirection',
      { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'us-west-2' } },
      'the region us-west-2',
      'AWS_REGION to us-west-2',
    ],
    [
      'one that says not where to',
      { status: 307, code: 'TemporaryRedirect' },
      'another region or endpoint',
      'AWS_REGION',
    ],
    [
      'a session that is over',
      { status: 400, code: 'ExpiredToken' },
      '400 ExpiredToken',
      'aws configure export-credentials',
    ],
    ['a conflict', { status: 409, code: 'ConditionalRequestConflict' }, 'there already', 'Another run'],
    [
      'something of which nothing is known',
      { status: 400, code: 'Strange' },
      '400 Strange',
      'verify --archive',
    ],
    ['something that is not there', { status: 404, code: 'NoSuchThing' }, '404 NoSuchThing', 'not there'],
  ])('%s', async (_, fault, message, remedy) => {
    s3.fault = () => fault
    await expect(store.folders()).rejects.toMatchObject({
      message: expect.stringContaining(message),
      remedy: expect.stringContaining(remedy),
    })
  })

  test('and names no secret', async () => {
    const errors: unknown[] = []
    for (const fault of ['reset', { status: 403, code: 'AccessDenied' }] as const) {
      taken.setTimeout = ((work: () => void) => waits(work, 0)) as typeof taken.setTimeout
      s3.fault = () => fault
      errors.push(await store.folders().catch((error: unknown) => error))
    }
    const texts = errors.map(
      (error) => `${String(error)} ${JSON.stringify(error)} ${String((error as Error).cause)}`,
    )
    for (const secret of s3.secrets) for (const text of texts) expect(text).not.toContain(secret)
  })
})

test('without aws4fetch it says what to install', async () => {
  vi.doMock('aws4fetch', () => {
    throw new Error('not installed')
  })
  try {
    await expect(store.folders()).rejects.toMatchObject({
      code: 'AUDIT_MISSING_PACKAGE',
      message: expect.stringContaining('npm install aws4fetch'),
    })
  } finally {
    vi.doUnmock('aws4fetch')
  }
})

describe('a place', () => {
  test.each([
    's3://',
    's3://A/x',
    's3://ab',
    's3://archives//x',
    's3://archives/../x',
    's3://archives/a b',
    's3://archives/ü',
  ])('%s is refused', (place) => expect(() => parseS3Place(place)).toThrow('is not a place for archives'))

  test('has no slash at its end', () => {
    expect(parseS3Place('s3://archives/')).toEqual({ place: 's3://archives', bucket: 'archives', prefix: '' })
    expect(parseS3Place('s3://archives/a/b=1//')).toEqual({
      place: 's3://archives/a/b=1',
      bucket: 'archives',
      prefix: 'a/b=1/',
    })
  })

  test.each<[Partial<S3Settings>, string]>([
    [{ accessKeyId: undefined }, 'AWS_ACCESS_KEY_ID'],
    [{ secretAccessKey: undefined }, 'AWS_SECRET_ACCESS_KEY'],
    [{ region: undefined, endpoint: undefined }, 'AWS_REGION'],
    [{ endpoint: 'ftp://x' }, 'AWS_ENDPOINT_URL_S3'],
  ])('needs its settings: %o', (settings, message) => {
    expect(() => storeWith(settings)).toThrow(message)
  })

  test('of AWS is asked by the name of its bucket, of another store by its path', () => {
    expect(storeWith({ endpoint: undefined }).place).toBe('s3://archives/wallet')
  })
})
