import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { type ArchiveManifest, manifestText, signManifest } from '../../src/archive/manifest.js'
import { checkRetired, verifyArchive } from '../../src/archive/verify-archive.js'
import { generateNoteKey, type NoteSigner } from '../../src/chain/note-key.js'
import { sha256 } from '../../src/event/sha256.js'
import { Anchors } from '../../src/verify/anchors.js'
import { type Finding, FindingLog } from '../../src/verify/finding.js'
import type { Trust } from '../../src/verify/trust.js'
import { OldTrail } from './old-trail.js'

// What is done to the files of an archive, by somebody without the retention key and by somebody with it.

let trail: OldTrail
let other: OldTrail
let place: string
let folders: string[]

beforeAll(async () => {
  for (const one of [(trail = await OldTrail.create(3)), (other = await OldTrail.create(3))]) {
    await one.fill()
    await one.archive(3)
  }
})

afterAll(async () => {
  await trail.drop()
  await other.drop()
})

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'otel-audit-tampered-'))
  cpSync(trail.directory, place, { recursive: true })
  folders = readdirSync(place).toSorted()
})

afterEach(() => rmSync(place, { recursive: true, force: true }))

async function found(trust: Partial<Trust> = {}): Promise<readonly string[]> {
  const findings: Finding[] = []
  await verifyArchive(new DirectoryStore(place), {
    trust: { ...trail.trust, ...trust },
    anchors: new Anchors(),
    selection: { chain: undefined, ids: undefined },
    onFinding: (finding) => findings.push(finding),
  })
  return findings.map(({ code, message }) => `${code}: ${message}`)
}

const path = (number: number, file = ''): string => join(place, folders[number] ?? '', file)
const read = (number: number): ArchiveManifest =>
  JSON.parse(readFileSync(path(number, 'manifest.json'), 'utf8')) as ArchiveManifest

/** Writes a manifest anew, with a note that fits it: signed, where somebody has a key. */
function rewrite(number: number, manifest: ArchiveManifest, signer: NoteSigner): void {
  const text = manifestText(manifest)
  writeFileSync(path(number, 'manifest.json'), text)
  writeFileSync(path(number, 'manifest.note'), signManifest(text, signer))
}

/** Alters a row, and makes the file and its manifest fit. */
function alterRow(number: number, signer: NoteSigner): void {
  const file = path(number, 'rows-000001.ndjson.gz')
  const text = gunzipSync(readFileSync(file)).toString().replace('"outcome":"wrong_region"', '"outcome":"ok"')
  const bytes = gzipSync(text)
  writeFileSync(file, bytes)
  const hex = (data: Uint8Array | string): string => sha256(data).toString('hex')
  const manifest = read(number)
  const [part] = manifest.parts
  if (part === undefined) throw new Error('no part')
  const member = { bytes: bytes.length, sha256: hex(bytes), lines: part.lines }
  const fitting = { bytes: bytes.length, sha256: hex(bytes), text_sha256: hex(text), members: [member] }
  rewrite(number, { ...manifest, parts: [{ ...part, ...fitting }] }, signer)
}

const FILES = [
  'rows-000001.ndjson.gz',
  'blocks.ndjson.gz',
  'row-blocks.ndjson.gz',
  'leaves.ndjson.gz',
  'chains.ndjson.gz',
]

test('nothing is found in an archive as it was written', async () => {
  expect(await found()).toEqual([])
})

describe.each(FILES)('the file %s', (file) => {
  test.each<[string, () => void, RegExp]>([
    [
      'altered',
      () => {
        const bytes = readFileSync(path(1, file))
        bytes[bytes.length - 12] = (bytes.at(-12) ?? 0) ^ 1
        writeFileSync(path(1, file), bytes)
      },
      /is not the file of its manifest/,
    ],
    ['cut', () => writeFileSync(path(1, file), readFileSync(path(1, file)).subarray(0, 10)), /is cut off/],
    ['longer', () => writeFileSync(path(1, file), 'x', { flag: 'a' }), /is longer/],
    ['missing', () => rmSync(path(1, file)), /is missing/],
    [
      'exchanged for that of another month',
      () => cpSync(path(2, file), path(1, file)),
      /is not the file of its manifest|is cut off|is longer/,
    ],
    [
      'exchanged for that of another trail',
      () => cpSync(join(other.directory, folders[1] ?? '', file), path(1, file)),
      /is not the file of its manifest|is cut off|is longer/,
    ],
  ])('%s is found by its name', async (_, tamper, message) => {
    tamper()
    const findings = await found()
    expect(findings).toHaveLength(1)
    expect(findings[0]).toContain(`archive-file: ${folders[1]}/${file}`)
    expect(findings[0]).toMatch(message)
  })
})

describe('a manifest', () => {
  test('altered', async () => {
    const text = readFileSync(path(1, 'manifest.json'), 'utf8')
    writeFileSync(path(1, 'manifest.json'), text.replace('"rows": 7', '"rows": 6'))
    expect((await found())[0]).toMatch(new RegExp(`^archive-manifest: ${folders[1]}/manifest.json: `))
  })

  test.each([
    ['that is not JSON', '{', /it is not JSON/],
    ['that is none', '[]', /its format is not/],
    ['that is nothing', 'null', /it is not an object/],
  ])('%s', async (_, text, message) => {
    writeFileSync(path(1, 'manifest.json'), text)
    expect((await found())[0]).toMatch(message)
  })

  test.each<[string, Partial<Record<keyof ArchiveManifest, unknown>>]>([
    ['a log that is none', { log: 'a b' }],
    ['a trail that is none', { trail: 'x' }],
    ['no place in the sequence', { sequence: 0 }],
    ['something else for the one before', { previous: 'x' }],
    ['a name that leads out of the folder', { partition: '../x' }],
    ['ids that are none', { to_id: 'x' }],
    ['no parts', { parts: undefined }],
    ['a file outside of its folder', { blocks: { name: '../blocks.ndjson.gz' } }],
    ['parts that do not add up', { rows: 8 }],
  ])('with %s is not read', async (_, change) => {
    rewrite(1, { ...read(1), ...change } as ArchiveManifest, trail.key.signer)
    expect((await found())[0]).toMatch(/^archive-manifest/)
  })

  test('without its note, or with one that is not one', async () => {
    writeFileSync(path(2, 'manifest.note'), 'x')
    expect((await found())[0]).toMatch(/not a signed note/)
    rmSync(path(2, 'manifest.note'))
    expect((await found())[0]).toMatch(/has no signed manifest/)
  })

  test('signed by somebody else, or by nobody that the trust file names', async () => {
    const stranger = generateNoteKey(trail.key.signer.name)
    alterRow(1, stranger.signer)
    const findings = await found()
    expect(findings[0]).toMatch(`archive-manifest: ${folders[1]}: `)
    expect(findings).toContainEqual(expect.stringContaining('no known key has signed it'))
    // The next one names the manifest as it was.
    expect(findings).toContainEqual(expect.stringContaining(`${folders[2]}: it does not follow`))
    expect((await found({ retention: undefined }))[0]).toMatch(/names no retention key/)
  })

  test('of another log, or another trail, than the trust file names', async () => {
    expect((await found({ origin: 'otel-audit/other' }))[0]).toMatch(/it is of log otel-audit\/wallet/)
    expect((await found({ trails: ['0'.repeat(32)] }))[0]).toMatch(/it is of trail/)
  })
})

describe('a folder', () => {
  test('missing between others', async () => {
    rmSync(path(1), { recursive: true })
    expect((await found())[0]).toBe(`archive-missing: archive 2 is missing: ${folders[2]} follows`)
  })

  test('exchanged for that of another trail', async () => {
    rmSync(path(1), { recursive: true })
    cpSync(join(other.directory, folders[1] ?? ''), path(1), { recursive: true })
    const keys = { retention: [trail.key.signer.key, other.key.signer.key] }
    expect(await found(keys)).toContainEqual(expect.stringMatching(/archive-manifest: .*is of trail/))
  })

  test('under the name of another', async () => {
    renameSync(path(1), join(place, '000009-x'))
    expect(await found()).toContainEqual(expect.stringMatching(/000009-x: it has the archive of/))
  })
})

describe('somebody who has the retention key', () => {
  test('cannot alter a row: its digest and its block are the writer’s', async () => {
    alterRow(2, trail.key.signer)
    const findings = await found()
    expect(findings.map((finding) => finding.split(':')[0])).toContain('row-changed')
  })

  test('cannot leave a row out', async () => {
    const file = path(2, 'rows-000001.ndjson.gz')
    const lines = gunzipSync(readFileSync(file)).toString().split('\n')
    const text = lines.toSpliced(1, 1).join('\n')
    const bytes = gzipSync(text)
    writeFileSync(file, bytes)
    const hex = (data: Uint8Array | string): string => sha256(data).toString('hex')
    const manifest = read(2)
    const [part] = manifest.parts
    if (part === undefined) throw new Error('no part')
    const count = part.lines - 1
    const member = { bytes: bytes.length, sha256: hex(bytes), lines: count }
    const fitting = {
      bytes: bytes.length,
      sha256: hex(bytes),
      text_sha256: hex(text),
      lines: count,
      members: [member],
    }
    rewrite(2, { ...manifest, rows: count, parts: [{ ...part, ...fitting }] }, trail.key.signer)
    expect((await found())[0]).toMatch(/^row-missing/)
  })
})

test('an archive that the trail names and that is not there is told', async () => {
  const store = new DirectoryStore(place)
  const { archives } = await verifyArchive(store, {
    trust: trail.trust,
    anchors: new Anchors(),
    selection: { chain: undefined, ids: undefined },
    onFinding: () => {},
  })
  const [first] = archives
  if (first === undefined) throw new Error('no archive')
  const { log, trail: identity, partition, to_id } = first.manifest
  const said = {
    log,
    trail: identity,
    state: 'retired' as const,
    partition,
    from: undefined,
    to: BigInt(to_id),
    rows: 7,
    leaves: { count: 0, sum: '0'.repeat(64) },
    manifests: [first.hash],
    time: 1,
  }
  const messages: string[] = []
  const findings = new FindingLog(({ message }) => messages.push(message))
  checkRetired([said, { ...said, state: 'retiring', manifests: ['0'] }], archives, findings)
  expect(messages).toEqual([])
  checkRetired(
    [
      { ...said, manifests: ['f'.repeat(64)] },
      { ...said, to: 5n },
    ],
    archives,
    findings,
  )
  expect(messages).toHaveLength(2)
  expect(messages[0]).toContain(partition)
})

test('where there is nothing there is nothing to verify', async () => {
  place = join(place, 'nowhere')
  expect(await found()).toEqual([])
})
