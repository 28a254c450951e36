import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withProven } from '../../../src/archive/archive.js'
import { lockUntil, type ObjectLock } from '../../../src/archive/object-lock.js'
import { readManifest } from '../../../src/archive/manifest.js'
import { signParquet } from '../../../src/archive/parquet-note.js'
import { S3Client } from '../../../src/archive/s3/s3-client.js'
import { parseS3Place } from '../../../src/archive/s3/s3-place.js'
import { S3Store } from '../../../src/archive/s3/s3-store.js'
import { writeParquet } from '../../../src/archive/write-parquet.js'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import type { StoredVersion } from '../../support/object-storage/bucket.js'
import { FakeS3 } from '../../support/object-storage/fake-s3.js'
import { LineEngine } from '../line-engine.js'
import { OldTrail } from '../old-trail.js'

// Parquet files in object storage: locked as their archives are, and read by their versions.

const DAY_MS = 86_400_000
const DAY = lockUntil('GOVERNANCE', Date.now() + DAY_MS)
let s3: FakeS3
let trail: OldTrail
let work: string

beforeEach(async () => {
  s3 = await FakeS3.start()
  trail = await OldTrail.create(2)
  await trail.fill()
  work = mkdtempSync(join(tmpdir(), 'otel-audit-parquet-'))
})

afterEach(async () => {
  rmSync(work, { recursive: true })
  await trail.drop()
  await s3.close()
})

const store = (): S3Store => new S3Store(new S3Client(parseS3Place('s3://archives/wallet'), s3.settings))
const write = (lock?: ObjectLock, engine = new LineEngine()): Promise<number> =>
  withProven(trail.context({ store: store() }), (archives) =>
    writeParquet(
      {
        store: store(),
        engine,
        signer: trail.key.signer,
        keys: [],
        directory: work,
        onLine: (line) => trail.lines.push(line),
        lock,
      },
      archives,
    ),
  )
const found = async (): Promise<string[]> =>
  (await trail.verifyFiles({}, store())).found.map(({ code, message }) => `${code}: ${message}`)
const parquet = (): string[] =>
  [...s3.bucket.objects.keys()].filter((key) => key.includes('-parquet/')).toSorted()
const locks = (): (StoredVersion | undefined)[] => parquet().map((key) => s3.bucket.current(key))
/** As somebody does who may delete and write, and not delete versions. */
const asSomebody = (method: string, key: string, body = ''): unknown =>
  s3.bucket.answer({
    method,
    key,
    query: new URLSearchParams(),
    body: Buffer.from(body),
    header: (name) =>
      ({
        'x-amz-sdk-checksum-algorithm': 'SHA256',
        'x-amz-checksum-sha256': createHash('sha256').update(body).digest('base64'),
      })[name],
  })

test('they are locked as their archive is, with their note', async () => {
  await trail.archive(1, { store: store(), lock: DAY })
  expect(await write()).toBe(1)
  expect(parquet()).toHaveLength(2)
  for (const file of locks()) expect(file).toMatchObject(DAY)
  expect(await found()).toEqual([])
})

test('they are locked as they are asked to be, where that is more', async () => {
  await trail.archive(1, { store: store(), lock: DAY })
  const asked = lockUntil('COMPLIANCE', Date.now() + DAY_MS / 2)
  await write(asked)
  for (const file of locks()) expect(file).toMatchObject({ mode: 'COMPLIANCE', until: DAY.until })
})

test('an archive whose lock is over does not keep them from being written: they are not locked', async () => {
  await trail.archive(1, { store: store(), lock: lockUntil('GOVERNANCE', Date.now() - DAY_MS) })
  expect(await write()).toBe(1)
  for (const file of locks()) expect(file?.mode).toBeUndefined()
  expect(await found()).toEqual([])
})

test('a lock that is gone is found', async () => {
  await trail.archive(1, { store: store(), lock: DAY })
  await write()
  for (const file of locks()) if (file !== undefined) file.mode = undefined
  expect(await found()).toEqual([
    expect.stringMatching(/^archive-unlocked: \S+-parquet\/parquet\.note was locked .* shows no lock$/),
    expect.stringMatching(
      /^archive-unlocked: \S+-parquet\/rows-000001\.parquet was locked .* shows no lock$/,
    ),
  ])
})

test('that somebody deletes them, or writes over them, hides them: they are read all the same, and not written anew', async () => {
  await trail.archive(1, { store: store(), lock: DAY })
  await write()
  const [note = '', rows = ''] = parquet()
  const hidden = (by: string): unknown[] => [
    expect.stringMatching(new RegExp(`^archive-hidden: \\S+/parquet\\.note is hidden by ${by}`)),
    expect.stringMatching(new RegExp(`^archive-hidden: \\S+/rows-000001\\.parquet is hidden by ${by}`)),
  ]
  for (const key of [note, rows]) asSomebody('DELETE', key)
  expect(await found()).toEqual(hidden('a delete marker'))
  expect(await write()).toBe(0)
  for (const key of [note, rows]) asSomebody('PUT', key, 'rubbish')
  expect(await found()).toEqual(hidden('a newer version'))
  expect(await write()).toBe(0)
})

test('of several notes the one counts that the retention key has signed', async () => {
  await trail.archive(1, { store: store(), lock: DAY })
  await write()
  const [note = ''] = parquet()
  const of = note.replace(/-parquet\/.*$/, '')
  const bytes = (name: string): Buffer => s3.bucket.current(`${of}/${name}`)?.body ?? Buffer.alloc(0)
  const archive = readManifest('000001-x', bytes('manifest.json'), bytes('manifest.note'))
  const forged = [
    { name: 'rows-000001.parquet', bytes: 7, sha256: '0'.repeat(64), rows: archive.manifest.rows },
  ]
  asSomebody('PUT', note, signParquet(archive, forged, generateNoteKey(trail.key.signer.name).signer))
  expect(await found()).toEqual([expect.stringMatching(/parquet\.note is hidden by a newer version/)])
})

test('interrupted, nothing of an upload is left, and it is written anew', async () => {
  class Padding extends LineEngine {
    override async write(from: string, to: string): Promise<void> {
      await super.write(from, to)
      await appendFile(to, Buffer.alloc(9 * 1024 * 1024, ' '))
    }
  }
  await trail.archive(1, { store: store(), lock: DAY })
  s3.fault = ({ query, method }) =>
    query.has('uploadId') && method === 'POST' ? { status: 403, code: 'AccessDenied' } : undefined
  await expect(write(undefined, new Padding())).rejects.toThrow(/403 AccessDenied/)
  expect([s3.bucket.uploads.size, parquet()]).toEqual([0, []])
  s3.fault = ({ key, method }) =>
    key.endsWith('parquet.note') && method === 'PUT' ? { status: 403, code: 'AccessDenied' } : undefined
  await expect(write()).rejects.toThrow(/403 AccessDenied/)
  s3.fault = () => undefined
  expect(await found()).toEqual([expect.stringMatching(/^archive-manifest: \S+-parquet has no signed note/)])
  // What is locked is hidden, and stays.
  expect(await write(undefined, new Padding())).toBe(1)
  const [, rows = ''] = parquet()
  expect(s3.bucket.objects.get(rows)?.map(({ isMarker }) => isMarker)).toEqual([false, true, false])
  for (const file of locks()) expect(file).toMatchObject(DAY)
  expect(await found()).toEqual([])
})

test('in a bucket without versions and locks they are read by their names', async () => {
  Object.assign(s3.bucket.settings, { isVersioned: false, hasLock: false })
  await trail.archive(1, { store: store() })
  expect(await write()).toBe(1)
  expect(await found()).toEqual([])
  const [, rows = ''] = parquet()
  asSomebody('DELETE', rows)
  expect(await found()).toEqual([expect.stringMatching(/^archive-file: \S+rows-000001\.parquet is missing$/)])
})
