import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ArchivedTrail } from '../../src/archive/archived-trail.js'
import { openArchives } from '../../src/archive/open-archives.js'
import type { ArchiveManifest } from '../../src/archive/manifest.js'
import { Trail } from '../../src/query/trail.js'
import type { Page } from '../../src/query/page.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

// Archives of many parts, and parts of many members: as those of a month with millions of rows.

const SIZES = { partRows: 1000, memberLines: 128 }
const ROWS = 2600
let trail: OldTrail
let live: Trail
let first: string

const manifestOf = (folder: string): ArchiveManifest =>
  JSON.parse(readFileSync(join(trail.directory, folder, 'manifest.json'), 'utf8')) as ArchiveManifest

beforeAll(async () => {
  trail = await OldTrail.create(2)
  await trail.fill()
  for (let done = 0; done < ROWS; done += 200) {
    const credential = done === 1200 ? 'rare' : undefined
    const events = Array.from({ length: 200 }, (_, i) =>
      trail.event(0, 1000 + done + i, i === 0 && credential !== undefined ? { credential } : {}),
    )
    await trail.write(...events)
  }
  live = new Trail({ databaseUrl: trail.database.url, cursorKey: 'x' })
  await trail.archive(1, { sizes: SIZES })
  first = readdirSync(trail.directory)[0] ?? ''
})

afterAll(async () => {
  await live.close()
  await trail.drop()
})

const month = (): { from: string; to: string } => ({
  from: new Date(trail.months[0] ?? 0).toISOString(),
  to: new Date(trail.months[1] ?? 0).toISOString(),
})
const opened = (): Promise<ArchivedTrail> =>
  openArchives(trail.store, trail.trust).then((opened) => new ArchivedTrail(opened, 'x'))

test('parts and members have the rows in order, each once, and say which', () => {
  const { parts, rows } = manifestOf(first)
  expect(rows).toBe(ROWS + 7)
  expect(parts.map(({ lines }) => lines)).toEqual([1000, 1000, 607])
  const ids: bigint[] = []
  for (const { name, members, member_ids, first_id, last_id, lines } of parts) {
    expect(members.map((member) => member.lines)).toEqual([
      ...Array<number>(Math.floor(lines / 128)).fill(128),
      lines % 128,
    ])
    const text = gunzipSync(readFileSync(join(trail.directory, first, name)))
      .toString()
      .trimEnd()
    const own = text.split('\n').map((line) => BigInt((JSON.parse(line) as { audit_id: string }).audit_id))
    expect([own[0], own.at(-1)]).toEqual([BigInt(first_id), BigInt(last_id)])
    expect(member_ids).toEqual(own.filter((_, i) => i % 128 === 0).map(String))
    ids.push(...own)
  }
  expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)))
  expect(new Set(ids).size).toBe(ROWS + 7)
})

test('are verified from the files alone; a part that is missing, and a member that was exchanged, are found', async () => {
  const { found, report } = await trail.verifyFiles()
  expect([found, report?.rows]).toMatchObject([[], { proven: ROWS + 6, unsigned: 1, partly: 0 }])
  const path = join(trail.directory, first, 'rows-000002.ndjson.gz')
  const bytes = readFileSync(path)
  const [one, two] = manifestOf(first).parts[1]?.members ?? []
  const [a, b] = [one?.bytes ?? 0, two?.bytes ?? 0]
  writeFileSync(path, Buffer.concat([bytes.subarray(a, a + b), bytes.subarray(0, a), bytes.subarray(a + b)]))
  expect((await trail.verifyFiles()).found).toMatchObject([
    {
      code: 'archive-file',
      message: expect.stringContaining('rows-000002.ndjson.gz is not the file of its manifest'),
    },
  ])
  rmSync(path)
  expect((await trail.verifyFiles()).found).toMatchObject([
    { message: expect.stringContaining('rows-000002.ndjson.gz is missing') },
  ])
  writeFileSync(path, bytes)
})

test('are asked page by page as the trail is, and only what can have a row is read', async () => {
  const archived = await opened()
  const pages = async (of: Pick<Trail, 'search'>): Promise<Page[]> => {
    const all: Page[] = []
    let cursor: string | null = null
    do {
      const page: Page = await of.search({ ...month(), limit: 400, ...(cursor !== null && { cursor }) })
      all.push(page)
      cursor = page.next_cursor
    } while (cursor !== null)
    return all
  }
  expect(await pages(archived)).toEqual(await pages(live))
  const members = async (filter: object): Promise<number> => {
    const before = archived.membersRead
    await archived.search(filter)
    return archived.membersRead - before
  }
  expect(await members({ credential: 'rare' })).toBe(8)
  // Members of the newest part alone: about a thousand rows are read at a time.
  expect(await members({ limit: 1 })).toBe(5)
  for (const by of ['credential', 'worker_id'] as const)
    expect(await archived.summary(month(), { by })).toEqual(await live.summary(month(), { by }))
})

describe('retiring', () => {
  test('compares every part, takes late rows into parts of their own, and loses none', async () => {
    const late = Array.from({ length: 1300 }, (_, i) => trail.event(0, 5000 + (i % 900)))
    for (let i = 0; i < late.length; i += 100) await trail.write(...late.slice(i, i + 100))
    const before = (await readTrail(trail.owner)).filter(({ event }) => event.auditId < trail.bound(1))
    expect(await trail.retire(1, { sizes: SIZES })).toMatchObject([{ outcome: 'retired' }])
    const { found, report, archives } = await trail.verifyFiles()
    expect([found, archives.map(({ manifest }) => manifest.parts.length)]).toEqual([[], [3, 2]])
    expect((report?.rows.proven ?? 0) + (report?.rows.unsigned ?? 0)).toBe(before.length)
    expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
    const rows: string[] = []
    for await (const page of (await opened()).pages()) rows.push(...page.rows.map(({ audit_id }) => audit_id))
    expect(rows).toEqual(before.map(({ event }) => String(event.auditId)).toReversed())
  })
})
