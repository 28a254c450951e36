import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from 'vitest'
import { withProven } from '../../src/archive/archive.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { writeParquet } from '../../src/archive/write-parquet.js'
import { openParquetWriter } from '../../src/cli/run/archive-parquet.js'
import { generateNoteKey, type NoteSigner } from '../../src/chain/note-key.js'
import { OldTrail } from './old-trail.js'
import { LineEngine } from './line-engine.js'

// What is written beside archives by an engine, and how it is held against them. The engine is one of the test's own.

let trail: OldTrail
let work: string
let whole: string

beforeAll(async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  await trail.archive(2)
  whole = mkdtempSync(join(tmpdir(), 'otel-audit-archives-'))
  cpSync(trail.directory, whole, { recursive: true })
})

afterAll(async () => {
  rmSync(whole, { recursive: true })
  await trail.drop()
})

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'otel-audit-parquet-'))
  rmSync(trail.directory, { recursive: true })
  cpSync(whole, trail.directory, { recursive: true })
})

afterEach(() => rmSync(work, { recursive: true }))

interface Given {
  readonly engine?: LineEngine
  readonly store?: DirectoryStore
  readonly signer?: NoteSigner
}

const write = (given: Given = {}): Promise<number> => {
  const { engine = new LineEngine(), store = trail.store, signer = trail.key.signer } = given
  return withProven(trail.context(), (archives) =>
    writeParquet(
      { store, engine, signer, keys: [], directory: work, onLine: (line) => trail.lines.push(line) },
      archives,
    ),
  )
}
const forget = (which: 'min' | 'max') =>
  trail.owner.query(
    `delete from noetl.secret_audit_retirement
     where to_id = (select ${which}(to_id) from noetl.secret_audit_retirement)`,
  )
const folders = (): string[] => readdirSync(trail.directory).toSorted()
const parquet = (): string[] => folders().filter((folder) => folder.endsWith('-parquet'))
const at = (...names: readonly string[]): string => join(trail.directory, ...names)
const found = async (): Promise<string[]> =>
  (await trail.verifyFiles()).found.map(({ code, message }) => `${code}: ${message}`)

test('each part is written beside its archive, which stays as it is, and verifies with it', async () => {
  expect(await write()).toBe(2)
  expect(parquet()).toEqual(
    readdirSync(whole)
      .toSorted()
      .map((folder) => `${folder}-parquet`),
  )
  for (const folder of readdirSync(whole))
    for (const file of readdirSync(join(whole, folder)))
      expect(readFileSync(at(folder, file))).toEqual(readFileSync(join(whole, folder, file)))
  const [first = ''] = parquet()
  expect(readdirSync(at(first)).toSorted()).toEqual(['parquet.note', 'rows-000001.parquet'])
  expect(readFileSync(at(first, 'parquet.note'), 'utf8')).toMatch(
    /^otel-audit\/parquet\/v1\nlog \S+\ntrail [0-9a-f]{32}\nmanifest [0-9a-f]{64}\nrows-000001\.parquet \d+ [0-9a-f]{64} \d+\n\n— \S+\/retention \S+\n$/,
  )
  expect(await found()).toEqual([])
  expect(readdirSync(work)).toEqual([])
  // Once is enough.
  expect(await write()).toBe(0)
  // What comes later is archived beside them, and written the next time.
  await trail.archive(3)
  expect(await write()).toBe(1)
  expect(await found()).toEqual([])
  // The next test has a place without the third month.
  await forget('max')
})

test('the command writes by an engine that it opens first, and leaves nothing behind', async () => {
  const engine = new LineEngine()
  let spill = ''
  const writer = await openParquetWriter(async (directory) => {
    spill = directory
    return engine
  })
  expect(await writer.write(trail.context())).toBe(2)
  await writer.close()
  expect([engine.isClosed, existsSync(spill)]).toEqual([true, false])
  const missing = openParquetWriter((directory) => {
    spill = directory
    return Promise.reject(new Error('not installed'))
  })
  await expect(missing).rejects.toThrow('not installed')
  expect(existsSync(spill)).toBe(false)
})

test('what is not proven is not written', async () => {
  await forget('min')
  expect(await write()).toBe(1)
  await trail.archive(2)
})

describe('what an engine gives back is held against the archive', () => {
  test.each<[string, ConstructorParameters<typeof LineEngine>[0], RegExp]>([
    ['a row is lost', (rows) => rows.slice(1), /has 6 rows of 7/],
    ['a row comes twice', (rows) => [...rows.slice(0, -1), ...rows.slice(0, 1)], /does not have the rows/],
    ['rows have another order', (rows) => rows.toReversed(), /does not have the rows/],
    [
      'a value is another',
      (rows) => rows.map((row) => row.map((text) => (text === 'key-1' ? 'key-2' : text))),
      /does not have the rows/,
    ],
    [
      'NULL is an empty text',
      (rows) => rows.map((row) => row.map((text) => text ?? '')),
      /does not have the rows/,
    ],
  ])('%s: it is refused, and nothing counts', async (_, alter, message) => {
    await expect(write({ engine: new LineEngine(alter) })).rejects.toMatchObject({
      code: 'AUDIT_ARCHIVE',
      message: expect.stringMatching(message),
    })
    expect(parquet()).toEqual([])
    expect(readdirSync(work)).toEqual([])
    expect(await write()).toBe(2)
  })

  test('an archive that was altered is not written', async () => {
    const [folder = ''] = folders()
    const file = at(folder, 'rows-000001.ndjson.gz')
    const bytes = readFileSync(file)
    bytes[40] = (bytes[40] ?? 0) ^ 1
    writeFileSync(file, bytes)
    await expect(write()).rejects.toThrow(/it was altered, or exchanged/)
  })
})

test('interrupted, it is written anew', async () => {
  class Failing extends DirectoryStore {
    override create(file: string): ReturnType<DirectoryStore['create']> {
      if (file.endsWith('parquet.note')) throw new Error('killed')
      return super.create(file)
    }
  }
  await expect(write({ store: new Failing(trail.directory) })).rejects.toThrow('killed')
  expect(await found()).toEqual([expect.stringMatching(/^archive-manifest: \S+-parquet has no signed note/)])
  expect(await write()).toBe(2)
  expect(await found()).toEqual([])
})

describe('whoever changes it is found', () => {
  let first: string
  let second: string

  beforeEach(async () => {
    await write()
    ;[first = '', second = ''] = parquet()
  })

  test.each<[string, () => void, RegExp]>([
    [
      'a file that is longer',
      () => appendFileSync(at(first, 'rows-000001.parquet'), 'x'),
      /^archive-file: \S+ has \d+ bytes, and its note says/,
    ],
    [
      'one that was altered',
      () => {
        const file = at(first, 'rows-000001.parquet')
        writeFileSync(file, readFileSync(file, 'utf8').replace('key-1', 'key-2'))
      },
      /^archive-file: \S+-parquet\/rows-000001\.parquet is not the file of its note/,
    ],
    ['one that is missing', () => rmSync(at(first, 'rows-000001.parquet')), /^archive-file: \S+ is missing/],
    [
      'a note that is missing',
      () => rmSync(at(first, 'parquet.note')),
      /^archive-manifest: \S+ has no signed note/,
    ],
    [
      'a note that is none',
      () => writeFileSync(at(first, 'parquet.note'), 'x'),
      /^archive-manifest: \S+parquet\.note: /,
    ],
    [
      'a note that was altered',
      () => {
        const file = at(first, 'parquet.note')
        writeFileSync(file, readFileSync(file, 'utf8').replace(/(parquet \d+) /, '$11 '))
      },
      /^archive-manifest: \S+parquet\.note: /,
    ],
    [
      'the files of another archive',
      () => {
        rmSync(at(first), { recursive: true })
        cpSync(at(second), at(first), { recursive: true })
      },
      /^archive-manifest: \S+parquet\.note: it is about another archive/,
    ],
    [
      'files without an archive',
      () => renameSync(at(second), at('000009-x-parquet')),
      /there is no archive 000009-x/,
    ],
  ])('%s', async (_, tamper, message) => {
    tamper()
    const findings = await found()
    expect(findings).toEqual([expect.stringMatching(message)])
    // What the archives themselves say is verified all the same.
    expect((await trail.verifyFiles()).report?.findings.size).toBe(0)
  })

  test('a note that somebody else has signed, who knows the name of the key', async () => {
    for (const folder of [first, second]) rmSync(at(folder), { recursive: true })
    await write({ signer: generateNoteKey(trail.key.signer.name).signer })
    const findings = await found()
    expect(findings).toHaveLength(2)
    for (const finding of findings)
      expect(finding).toMatch(/^archive-manifest: \S+parquet\.note: no known key has signed it/)
    await expect(write()).rejects.toThrow(/no known key has signed it/)
  })
})
