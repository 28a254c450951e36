import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { verifyArchive } from '../../src/archive/verify-archive.js'
import { Anchors } from '../../src/verify/anchors.js'
import { OldTrail } from './old-trail.js'

test('a place for each year: each verifies by itself, and a later one needs none of the earlier', async () => {
  const trail = await OldTrail.create(4)
  const second = mkdtempSync(join(tmpdir(), 'otel-audit-second-place-'))
  try {
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
  } finally {
    await trail.drop()
    rmSync(second, { recursive: true })
  }
})
