import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { type PlacesReport, verifyPlaces } from '../../src/archive/verify-places.js'
import { Anchors } from '../../src/verify/anchors.js'
import type { Finding } from '../../src/verify/finding.js'
import { verifyArchive } from '../../src/archive/verify-archive.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

// A place for each year: an earlier one goes as a whole, a later one needs none of them.

let trail: OldTrail
let second: string

beforeEach(async () => {
  trail = await OldTrail.create(4)
  second = mkdtempSync(join(tmpdir(), 'otel-audit-second-place-'))
  await trail.fill()
  await trail.archive(2)
  await trail.retire(1)
  // What is in the trail still is archived again: the second month is in both.
  const store = new DirectoryStore(second)
  const { archived } = await trail.archive(3, { store })
  expect(archived.map(({ rows, place }) => [rows, place])).toEqual([
    [7, second],
    [7, second],
  ])
  expect((await trail.retire(3)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired'])
})

afterEach(async () => {
  await trail.drop()
  rmSync(second, { recursive: true })
})

test('each verifies by itself', async () => {
  for (const place of [trail.directory, second]) {
    const found: string[] = []
    const { archives, report } = await verifyArchive(new DirectoryStore(place), {
      trust: trail.trust,
      anchors: new Anchors(),
      selection: { chain: undefined, ids: undefined },
      onFinding: ({ message }) => found.push(message),
    })
    expect([found, archives.length, report?.rows.proven]).toEqual([[], 2, place === second ? 14 : 13])
  }
})

describe('what was retired from the trail is looked for in all that are given', () => {
  async function verifiedAt(
    ...places: readonly string[]
  ): Promise<PlacesReport & { readonly found: readonly Finding[] }> {
    const report = await verifiedTrail(trail.database.url, trail.trust)
    expect([report.retention.filter(({ state }) => state === 'retired').length, report.starts.size]).toEqual([
      3, 1,
    ])
    const found: Finding[] = []
    const verified = await verifyPlaces(
      places.map((place) => new DirectoryStore(place)),
      { trust: trail.trust, trail: report, onFinding: (finding) => found.push(finding) },
    )
    expect([...verified.findings.values()].reduce((sum, count) => sum + count, 0)).toBe(found.length)
    return { ...verified, found }
  }

  test('and is there, in whatever order they are given, and how often', async () => {
    const { found, places } = await verifiedAt(second, trail.directory, second)
    expect(found).toEqual([])
    expect(places.map(({ place, archives }) => [place, archives.length])).toEqual([
      [second, 2],
      [trail.directory, 2],
    ])
  })

  test('and is missing in the other one', async () => {
    const inSecond = await verifiedAt(second)
    expect(inSecond.found.map(({ code }) => code)).toEqual(['archive-missing'])
    // Its blocks do not reach to where the chain begins now.
    const inFirst = await verifiedAt(trail.directory)
    expect(inFirst.found.map(({ code, chain }) => [code, chain !== undefined])).toEqual([
      ['archive-missing', false],
      ['archive-missing', false],
      ['archive-missing', true],
    ])
  })

  test('and each finding says in which of them it is', async () => {
    const [folder = ''] = readdirSync(second).toSorted()
    writeFileSync(join(second, folder, 'rows-000001.ndjson.gz'), 'x')
    const { found, findings } = await verifiedAt(trail.directory, second)
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining(`${second}: ${folder}/rows-000001.ndjson.gz`),
    ])
    expect([...findings]).toEqual([['archive-file', 1]])
  })

  test('and what several of them lack of one kind is counted together', async () => {
    for (const place of [trail.directory, second]) {
      const [first = ''] = readdirSync(place).toSorted()
      rmSync(join(place, first), { recursive: true })
    }
    const { found, findings } = await verifiedAt(trail.directory, second)
    const missing = found.filter(({ code }) => code === 'archive-missing').map(({ message }) => message)
    expect(missing).toEqual([
      expect.stringMatching(new RegExp(`^${trail.directory}: archive 1 is missing`)),
      expect.stringMatching(new RegExp(`^${second}: archive 1 is missing`)),
      expect.stringMatching(/^the trail says that \w+ is in the archive/),
      expect.stringMatching(/^the trail says that \w+ is in the archive/),
    ])
    expect(findings.get('archive-missing')).toBe(4)
  })
})
