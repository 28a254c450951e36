import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { S3Client, type S3Settings } from '../../../src/archive/s3/s3-client.js'
import { parseS3Place } from '../../../src/archive/s3/s3-place.js'
import { S3Store } from '../../../src/archive/s3/s3-store.js'
import type { ArchiveStore } from '../../../src/archive/archive-store.js'
import { lockUntil } from '../../../src/archive/object-lock.js'
import { taken } from '../../../src/host/globals.js'
import type { BucketSettings } from '../../support/object-storage/bucket.js'
import { FakeS3, type Fault } from '../../support/object-storage/fake-s3.js'

let s3: FakeS3
let store: S3Store
const waits = taken.setTimeout

beforeEach(() => use({}))

afterEach(async () => {
  taken.setTimeout = waits
  await s3.close()
})

async function use(settings: BucketSettings): Promise<void> {
  await s3?.close()
  s3 = await FakeS3.start(settings)
  store = storeWith({})
}

const storeWith = (settings: Partial<S3Settings>, place = 's3://archives/wallet'): S3Store =>
  new S3Store(new S3Client(parseS3Place(place), { ...s3.settings, ...settings }))

async function put(
  file: string,
  bytes: Uint8Array,
  where: ArchiveStore = store,
): Promise<string | undefined> {
  const created = await where.create(file)
  for (let at = 0; at < bytes.length; at += 3_000_000) await created.write(bytes.subarray(at, at + 3_000_000))
  return created.close()
}

/** The first of these requests fails like this; those after it do not. */
function failOnce(isIt: (method: string, query: URLSearchParams) => boolean, fault: Fault, times = 1): void {
  let left = times
  s3.fault = ({ method, query }) => (isIt(method, query) && left-- > 0 ? fault : undefined)
}

const LARGE = randomBytes(17_000_000)
const names = (): string[] =>
  s3.requests.map(({ method, query }) => `${method} ${[...query.keys()].join('&')}`.trim())

describe('a file', () => {
  test('is put with its checksum, and read in whole and in parts', async () => {
    const version = await put('000001-a/rows.gz', Buffer.from('0123456789'))
    expect(version).toMatch(/^[0-9a-f-]{36}$/)
    expect((await store.read('000001-a/rows.gz')).toString()).toBe('0123456789')
    expect((await store.readAt('000001-a/rows.gz', 3, 4, version)).toString()).toBe('3456')
    expect(await store.readAt('000001-a/rows.gz', 0, 0)).toHaveLength(0)
    expect(await store.stat('000001-a/rows.gz')).toEqual({ bytes: 10 })
    expect([...s3.bucket.objects.keys()]).toEqual(['wallet/000001-a/rows.gz'])
  })

  test('that is large goes in parts, in constant memory, and is the same', async () => {
    await put('000001-a/rows.gz', LARGE)
    expect(names().filter((name) => name.startsWith('PUT'))).toHaveLength(3)
    expect(Math.max(...s3.requests.map(({ body }) => body.length))).toBe(8 * 1024 * 1024)
    expect(s3.bucket.current('wallet/000001-a/rows.gz')?.body.equals(LARGE)).toBe(true)
    expect(s3.bucket.uploads.size).toBe(0)
  })

  test.each([
    ['small', Buffer.from('x')],
    ['large', LARGE],
  ])('that is there is never overwritten: %s', async (_, bytes) => {
    await put('a/b', Buffer.from('first'))
    await expect(put('a/b', bytes)).rejects.toThrow(
      /s3:\/\/archives\/wallet\/a\/b: .* 412 PreconditionFailed/,
    )
    expect((await store.read('a/b')).toString()).toBe('first')
  })

  test('that is shorter than is said, or not there, is an error with its name', async () => {
    await put('a/b', Buffer.from('0123'))
    await expect(store.readAt('a/b', 2, 5)).rejects.toThrow(
      's3://archives/wallet/a/b is shorter than its manifest says',
    )
    await expect(store.readAt('a/b', 7, 5)).rejects.toThrow('is shorter')
    await expect(store.read('a/c')).rejects.toThrow(/wallet\/a\/c: .* 404 NoSuchKey/)
    expect(await store.stat('a/c')).toBeUndefined()
  })
})

test('a file that is abandoned leaves nothing, whatever it had come to', async () => {
  for (const bytes of [Buffer.from('x'), LARGE]) {
    const file = await store.create('a/b')
    await file.write(bytes)
    await file.abandon()
  }
  expect([s3.bucket.uploads.size, s3.bucket.objects.size]).toEqual([0, 0])
  const file = await store.create('a/b')
  await file.write(LARGE)
  await file.close()
  await file.abandon()
  expect((await store.read('a/b')).equals(LARGE)).toBe(true)
})

describe('folders', () => {
  test.each([
    ['with versions', {}],
    ['of a bucket without', { isVersioned: false, hasLock: false }],
  ])('are listed page by page, %s', async (_, settings) => {
    await use({ ...settings, pageKeys: 2 })
    for (const file of ['000002-b/x', '000001-a/x', '000001-a/y', '000003-c/x', 'loose'])
      await put(file, Buffer.from(file))
    expect(await store.folders()).toEqual(['000001-a', '000002-b', '000003-c'])
    await store.discard('000002-b')
    expect(await store.folders()).toEqual(['000001-a', '000003-c'])
    await put('000002-b/x', Buffer.from('again'))
    expect((await store.read('000002-b/x')).toString()).toBe('again')
  })

  test('of a store that cannot list versions are listed by their files', async () => {
    await use({ isVersioned: false, hasLock: false, pageKeys: 2 })
    for (const file of ['000001-a/x', '000001-a/y', '000002-b/x']) await put(file, Buffer.from(file))
    s3.bucket.settings.isWhole = false
    expect(await store.folders()).toEqual(['000001-a', '000002-b'])
    expect(await store.versions('000001-a/y')).toEqual([undefined])
    await expect(put('a/b', Buffer.from('x'))).rejects.toMatchObject({
      message: expect.stringContaining('501 NotImplemented'),
      remedy: expect.stringContaining('docs/retention.md'),
    })
  })
})

describe('a version', () => {
  test('that a delete marker or a newer one hides is read all the same, and told', async () => {
    const version = await put('000001-a/manifest.note', Buffer.from('true'))
    s3.bucket.answer({
      method: 'DELETE',
      key: 'wallet/000001-a/manifest.note',
      query: new URLSearchParams(),
      header: () => undefined,
      body: Buffer.alloc(0),
    })
    expect(await store.folders()).toEqual(['000001-a'])
    expect(await store.versions('000001-a/manifest.note')).toEqual([version])
    expect(await store.stat('000001-a/manifest.note', version)).toEqual({
      bytes: 4,
      hiddenBy: 'a delete marker',
    })
    expect((await store.read('000001-a/manifest.note', version)).toString()).toBe('true')
    await put('000001-a/manifest.note', Buffer.from('other'))
    expect(await store.versions('000001-a/manifest.note')).toEqual([
      expect.not.stringMatching(version ?? ''),
      version,
    ])
    expect(await store.stat('000001-a/manifest.note', version)).toMatchObject({ hiddenBy: 'a newer version' })
  })

  test('that the store does not know, as after a copy, is looked for by its name', async () => {
    await put('a/b', Buffer.from('0123'))
    for (const version of ['of-another-bucket', '00000000-0000-0000-0000-000000000000']) {
      expect((await store.readAt('a/b', 1, 2, version)).toString()).toBe('12')
      expect(await store.stat('a/b', version)).toEqual({ bytes: 4 })
    }
  })
})

describe('what is passing is tried again', () => {
  beforeEach(() => {
    taken.setTimeout = ((work: () => void) => waits(work, 0)) as typeof taken.setTimeout
  })

  test.each<[string, Fault]>([
    ['SlowDown', { status: 503, code: 'SlowDown' }],
    ['an error of the store', { status: 500, code: 'InternalError' }],
    ['a request that came damaged', { status: 400, code: 'BadDigest' }],
    ['a connection that is reset', 'reset'],
    ['an answer that is lost after it was done', 'lost'],
  ])('%s, wherever it comes', async (_, fault) => {
    for (const one of [Buffer.from('small'), LARGE]) {
      const file = `a/${one.length}`
      let nth = 0
      // Every other request.
      s3.fault = () => (nth++ % 2 === 0 ? fault : undefined)
      const version = await put(file, one)
      expect((await store.read(file, version)).equals(one)).toBe(true)
      expect(s3.bucket.objects.get(`wallet/${file}`)).toHaveLength(1)
    }
  })

  test('an answer that is cut', async () => {
    await put('a/b', LARGE)
    failOnce((method) => method === 'GET', 'cut', 2)
    expect((await store.read('a/b')).equals(LARGE)).toBe(true)
  })

  test('a completion that fails after its status was sent', async () => {
    failOnce((method, query) => method === 'POST' && query.has('uploadId'), 'late')
    await put('a/b', LARGE)
    expect(s3.bucket.current('wallet/a/b')?.body.equals(LARGE)).toBe(true)
  })

  test('not for ever', async () => {
    s3.fault = () => ({ status: 503, code: 'SlowDown' })
    await expect(store.folders()).rejects.toMatchObject({
      code: 'AUDIT_ARCHIVE',
      message: expect.stringContaining('503 SlowDown'),
    })
    expect(s3.requests).toHaveLength(8)
    s3.fault = () => 'reset'
    await expect(store.folders()).rejects.toThrow(/the store does not answer \(/)
    await s3.close()
    await expect(store.folders()).rejects.toThrow(
      's3://archives/wallet: the store does not answer (ECONNREFUSED)',
    )
    s3 = await FakeS3.start()
  })

  test('and what another wrote meanwhile is in the way, and not taken for ours', async () => {
    for (const [file, bytes] of [
      ['a/small', Buffer.from('ours')],
      ['a/large', LARGE],
    ] as const) {
      let isFirst = true
      s3.fault = ({ method, query, key }) => {
        const isIt = method === 'PUT' ? !query.has('partNumber') : method === 'POST' && query.has('uploadId')
        if (!isIt || !isFirst) return undefined
        isFirst = false
        s3.bucket.objects.set(key, [
          { id: '0', body: Buffer.from('another'), isMarker: false, etag: '', isHeld: false },
        ])
        return 'reset'
      }
      await expect(put(file, bytes)).rejects.toThrow(/412 PreconditionFailed/)
    }
  })
})

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

describe('a lock', () => {
  const lock = lockUntil('COMPLIANCE', Date.now() + 86_400_000)

  test.each([
    ['one request', Buffer.from('x')],
    ['parts', LARGE],
  ])('is on what is put in %s: nobody deletes it', async (_, bytes) => {
    const version = await put('a/b', bytes, store.lockedBy(lock))
    expect(await store.lockOf('a/b', version)).toEqual(lock)
    const deleting = { method: 'DELETE', key: 'wallet/a/b', header: () => undefined, body: Buffer.alloc(0) }
    expect(() =>
      s3.bucket.answer({ ...deleting, query: new URLSearchParams({ versionId: version ?? '' }) }),
    ).toThrow('it is locked')
    await store.discard('a')
    expect((await store.read('a/b', version)).equals(bytes)).toBe(true)
  })

  test('that the store does not show is an error, and so is a bucket without', async () => {
    await use({ ignoresLock: true })
    await expect(put('a/b', Buffer.from('x'), store.lockedBy(lock))).rejects.toThrow(
      /does not show that it is locked until/,
    )
    await use({ hasLock: false })
    for (const bytes of [Buffer.from('x'), LARGE]) {
      await expect(put('a/b', bytes, store.lockedBy(lock))).rejects.toMatchObject({
        message: expect.stringContaining('the bucket has no Object Lock'),
        remedy: expect.stringContaining('--object-lock'),
      })
    }
  })

  test('that the headers did not make is made afterwards', async () => {
    await use({ ignoresLock: true })
    s3.fault = ({ query }) => {
      if (query.has('retention')) s3.bucket.settings.ignoresLock = false
      return undefined
    }
    await put('a/b', Buffer.from('x'), store.lockedBy(lock))
    expect(await store.lockOf('a/b')).toEqual(lock)
  })

  test('and a legal hold are of the version that is meant, and can be ended', async () => {
    const version = await put('a/b', Buffer.from('x'))
    await put('a/c', Buffer.from('x'))
    const files = [{ file: 'a/b', version }, { file: 'a/c' }]
    expect(await store.lockOf('a/b')).toBeUndefined()
    expect(await store.mark('a', files, true)).toBe('legal hold')
    expect([...s3.bucket.objects.values()].flat().map(({ isHeld }) => isHeld)).toEqual([true, true])
    expect(await store.mark('a', files, false)).toBe('legal hold')
    expect([...s3.bucket.objects.values()].flat().map(({ isHeld }) => isHeld)).toEqual([false, false])
    await use({ hasLock: false })
    await put('a/b', Buffer.from('x'))
    expect(await store.mark('a', [{ file: 'a/b' }], true)).toBe('none')
  })
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
