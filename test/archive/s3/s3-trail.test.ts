import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ArchivedTrail } from '../../../src/archive/archived-trail.js'
import { markArchives } from '../../../src/archive/held-archives.js'
import { type ArchiveManifest, manifestText, signManifest } from '../../../src/archive/manifest.js'
import { openArchives } from '../../../src/archive/open-archives.js'
import { lockUntil } from '../../../src/archive/object-lock.js'
import { readRetirements } from '../../../src/archive/retirement-state.js'
import { S3Client } from '../../../src/archive/s3/s3-client.js'
import { parseS3Place } from '../../../src/archive/s3/s3-place.js'
import { S3Store } from '../../../src/archive/s3/s3-store.js'
import { generateNoteKey } from '../../../src/chain/note-key.js'
import { Trail } from '../../../src/query/trail.js'
import type { BucketSettings } from '../../support/object-storage/bucket.js'
import { FakeS3 } from '../../support/object-storage/fake-s3.js'
import { readTrail } from '../../support/trail.js'
import { verifiedTrail } from '../../support/verified.js'
import { OldTrail } from '../old-trail.js'

// Archive, proof, verification, retirement and questions, where the archives are in object storage.

const PLACE = 's3://archives/wallet'
let s3: FakeS3
let trail: OldTrail

beforeEach(async () => {
  s3 = await FakeS3.start()
  trail = await OldTrail.create(3)
  await trail.fill()
})

afterEach(async () => {
  await trail.drop()
  await s3.close()
})

const storeAt = (place: string): S3Store => new S3Store(new S3Client(parseS3Place(place), s3.settings))
const store = (): S3Store => storeAt(PLACE)
const opened = async (): Promise<ArchivedTrail> =>
  new ArchivedTrail(await openArchives(store(), trail.trust), 'x')
const codes = (found: readonly { code: string }[]): string[] =>
  [...new Set(found.map(({ code }) => code))].toSorted()
const stored = (file: RegExp): string[] =>
  [...s3.bucket.objects.keys()].filter((key) => file.test(key)).toSorted()
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
        'x-amz-checksum-sha256': hashOf(body),
      })[name],
  })

describe.each<[string, BucketSettings]>([
  ['with versions and locks', {}],
  ['without', { isVersioned: false, hasLock: false }],
])('in a bucket %s', (_, settings) => {
  beforeEach(() => void Object.assign(s3.bucket.settings, settings))

  test('months are archived, proven, retired, asked and verified', async () => {
    const live = new Trail({ databaseUrl: trail.database.url, cursorKey: 'x' })
    const filter = {
      from: new Date(trail.months[0] ?? 0).toISOString(),
      to: new Date(trail.months[2] ?? 0).toISOString(),
    }
    const before = await live.search(filter)
    expect(
      (await trail.archive(2, { store: store() })).archived.map(({ rows, place }) => [rows, place]),
    ).toEqual([
      [7, PLACE],
      [7, PLACE],
    ])
    const first = trail.event(0, 100)
    await trail.write(first)
    expect((await trail.retire(2, { storeAt })).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
    const { found, report, archives } = await trail.verifyFiles({}, store())
    expect([found, archives.map(({ manifest }) => manifest.rows)]).toEqual([[], [7, 7, 1]])
    expect(report?.rows).toMatchObject({ partly: 0, unsigned: 1 })
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
    const archived = await opened()
    const after = await archived.search(filter)
    expect(after.rows.filter(({ audit_id }) => audit_id !== String(first.auditId))).toEqual(before.rows)
    await live.close()
    const texts = [
      ...trail.lines,
      JSON.stringify(await readTrail(trail.owner), (_key, value: unknown) => String(value)),
    ]
    for (const { body } of [...s3.bucket.objects.values()].flat()) texts.push(body.toString('latin1'))
    for (const secret of s3.secrets) for (const text of texts) expect(text).not.toContain(secret)
  })

  test('a run that is killed at any of its requests is run again, and nothing is lost', async () => {
    let left = 0
    for (let moment = 0; ; moment += 3) {
      left = moment
      s3.fault = () => (left-- <= 0 ? { status: 400, code: 'Killed' } : undefined)
      const isDone = await trail.archive(2, { store: store() }).then(
        () => true,
        () => false,
      )
      if (isDone) break
      const { rowCount } = await trail.owner.query('select from noetl.secret_audit_retirement')
      expect(rowCount).toBe(0)
    }
    expect(left).toBeGreaterThanOrEqual(0)
    s3.fault = () => undefined
    expect(await store().folders()).toHaveLength(2)
    expect((await trail.verifyFiles({}, store())).found).toEqual([])
    expect((await trail.retire(2, { storeAt })).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
  })
})

describe('somebody who may write and delete, but no version', () => {
  beforeEach(() =>
    trail.archive(2, { store: store(), lock: lockUntil('COMPLIANCE', Date.now() + 86_400_000) }),
  )

  test('hides every file: the archive is read, retired and asked all the same, and what is hidden is told', async () => {
    for (const key of stored(/./)) asSomebody('DELETE', key)
    const { found, report } = await trail.verifyFiles({}, store())
    expect(found).toHaveLength(stored(/./).length)
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['archive-hidden']))
    expect(found[0]?.message).toMatch(
      /^000001-y\w+\/manifest.json is hidden by a delete marker; it was read by its version/,
    )
    expect(report?.rows.proven).toBe(13)
    expect(await trail.retire(1, { storeAt })).toMatchObject([{ outcome: 'retired' }])
    expect((await (await opened()).search()).rows).toHaveLength(14)
  })

  test('puts another archive in its place: that which the retention key has signed is found', async () => {
    const [key = ''] = stored(/000001-.*manifest.json$/)
    const manifest = JSON.parse(s3.bucket.current(key)?.body.toString() ?? '') as ArchiveManifest
    const text = manifestText({ ...manifest, version: '9.9.9' })
    asSomebody('PUT', key, text)
    asSomebody(
      'PUT',
      key.replace('.json', '.note'),
      signManifest(text, generateNoteKey(trail.key.signer.name).signer),
    )
    const { found, archives } = await trail.verifyFiles({}, store())
    expect(archives[0]?.manifest.version).not.toBe('9.9.9')
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining('manifest.json is hidden by a newer version'),
      expect.stringContaining('manifest.note is hidden by a newer version'),
    ])
    expect(await trail.retire(1, { storeAt })).toMatchObject([{ outcome: 'retired' }])
  })

  test('puts rubbish in its place', async () => {
    for (const key of stored(/000001-/)) asSomebody('PUT', key, 'rubbish')
    expect(codes((await trail.verifyFiles({}, store())).found)).toEqual(['archive-hidden'])
  })
})

describe('a lock', () => {
  const lock = lockUntil('GOVERNANCE', Date.now() + 86_400_000)

  test('is on every file, in the manifest, and on what comes later', async () => {
    await trail.archive(1, { store: store(), lock })
    await trail.write(trail.event(0, 100))
    await trail.retire(1, { storeAt })
    expect(stored(/^wallet\/000002-/)).toHaveLength(7)
    for (const key of stored(/./)) expect(s3.bucket.current(key)).toMatchObject(lock)
    expect((await trail.verifyFiles({}, store())).archives.map(({ manifest }) => manifest.lock)).toEqual([
      lock,
      lock,
    ])
  })

  test('that is gone, or was shortened, is found, until it is over', async () => {
    await trail.archive(1, { store: store(), lock })
    const [rows, manifest] = [...stored(/rows/), ...stored(/manifest.json/)].map((key) =>
      s3.bucket.current(key),
    )
    if (rows === undefined || manifest === undefined) throw new Error('not there')
    rows.mode = undefined
    manifest.until = lockUntil('GOVERNANCE', Date.now() + 1000).until
    const { found } = await trail.verifyFiles({}, store())
    expect(found.map(({ code, message }) => [code, message])).toEqual([
      [
        'archive-unlocked',
        expect.stringMatching(
          /manifest.json was locked \(GOVERNANCE until .*\), and the store shows GOVERNANCE/,
        ),
      ],
      [
        'archive-unlocked',
        expect.stringMatching(/rows-000001.ndjson.gz was locked .* and the store shows no lock/),
      ],
    ])
  })

  test('cannot be on a directory', async () => {
    await expect(trail.archive(1, { lock })).rejects.toThrow(/only object storage can lock/)
  })
})

describe('a legal hold on what was retired', () => {
  const about = { credential: 'key-1', from: null, to: null }
  const isHeld = (key: string): boolean | undefined => s3.bucket.current(key)?.isHeld

  test('is on every file of the archives that may have its rows, and ends with the last hold', async () => {
    await trail.archive(2, { store: store() })
    await trail.retire(1, { storeAt })
    const retirements = await readRetirements(trail.owner, 'noetl')
    const mark = (active: readonly (typeof about)[]): ReturnType<typeof markArchives> =>
      markArchives({ retirements, about: [about], active, storeAt })
    expect(await mark([about])).toMatchObject([{ place: PLACE, isHeld: true, marking: 'legal hold' }])
    expect(stored(/000001-/).every(isHeld)).toBe(true)
    // That month is not retired: its rows are held where they are.
    expect(stored(/000002-/).some(isHeld)).toBe(false)
    await mark([{ ...about, credential: 'key-*' }])
    expect(stored(/000001-/).every(isHeld)).toBe(true)
    await mark([{ ...about, credential: 'nobody' }])
    expect(stored(/000001-/).some(isHeld)).toBe(false)
  })

  test('finds no archive where no row of it can be', async () => {
    await trail.archive(1, { store: store() })
    await trail.retire(1, { storeAt })
    const retirements = await readRetirements(trail.owner, 'noetl')
    for (const scope of [
      { ...about, credential: 'nobody' },
      { ...about, from: new Date(trail.months[1] ?? 0).toISOString() },
      { ...about, to: new Date((trail.months[0] ?? 0) - 5000).toISOString() },
    ]) {
      expect(await markArchives({ retirements, about: [scope], active: [scope], storeAt })).toEqual([])
    }
  })

  test('that the store refuses is told, and the other places are marked all the same', async () => {
    await trail.archive(1, { store: store() })
    await trail.retire(1, { storeAt })
    await trail.archive(2)
    await trail.retire(2)
    const retirements = await readRetirements(trail.owner, 'noetl')
    const mark = (): ReturnType<typeof markArchives> =>
      markArchives({
        retirements,
        about: [about],
        active: [about],
        storeAt: (place) => (place === PLACE ? store() : trail.store),
      })
    s3.fault = ({ query }) => (query.has('legal-hold') ? { status: 403, code: 'AccessDenied' } : undefined)
    expect(await mark()).toMatchObject([
      { place: PLACE, marking: undefined, problem: expect.stringContaining('403 AccessDenied') },
      { place: trail.directory, marking: 'mark' },
    ])
    s3.fault = () => ({ status: 403, code: 'AccessDenied' })
    expect(await mark()).toMatchObject([{ place: PLACE, folder: undefined }, { marking: 'mark' }])
    // Nothing is hidden or altered by a mark.
    expect((await trail.verifyFiles()).found).toEqual([])
  })
})

function hashOf(body: string): string {
  return createHash('sha256').update(body).digest('base64')
}
