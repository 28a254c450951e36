import { afterAll, beforeAll, expect, test } from 'vitest'
import { ArchivedTrail } from '../../src/archive/archived-trail.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import type { TrailFilter } from '../../src/query/filter.js'
import { OldTrail } from './old-trail.js'

// Which parts of many archives are read for a question: those that can have a row, and no other.

const MONTHS = 20

/** Notes which files are read in part. */
class WatchingStore extends DirectoryStore {
  readonly files: string[] = []

  override readAt(file: string, offset: number, length: number): Promise<Buffer> {
    this.files.push(file)
    return super.readAt(file, offset, length)
  }

  /** The months whose rows were read since it was asked last, by their number. */
  monthsRead(): number[] {
    const folders = this.files
      .splice(0)
      .map((file) => Number(/^(\d{6})-\w+\/rows-\d{6}\.ndjson\.gz$/.exec(file)?.[1]))
    return [...new Set(folders)].map((number) => number - 1).toSorted((a, b) => a - b)
  }
}

let trail: OldTrail
let store: WatchingStore
let archived: ArchivedTrail

beforeAll(async () => {
  trail = await OldTrail.create(MONTHS + 1)
  for (let month = 0; month < MONTHS; month++) {
    const events = ['everywhere', `only-in-${month}`].map((credential, i) =>
      trail.event(month, 100 + i, { credential }),
    )
    if (month === 6 || month === 17) events.push(trail.event(month, 200, { credential: 'rare' }))
    await trail.write(...events)
  }
  await trail.archive(MONTHS)
  store = new WatchingStore(trail.directory)
  archived = await ArchivedTrail.open(store, trail.trust, undefined)
  // Manifests alone tell what is where.
  expect(store.monthsRead()).toEqual([])
})

afterAll(() => trail.drop())

const asked = async (filter: TrailFilter): Promise<[rows: number, months: number[]]> => {
  const { rows } = await archived.search({ limit: 1000, ...filter })
  return [rows.length, store.monthsRead()]
}
const time = (month: number): string => new Date(trail.months[month] ?? 0).toISOString()

test('of one credential over twenty months only those are read that can hold it', async () => {
  expect(await asked({ credential: 'rare' })).toEqual([2, [6, 17]])
  for (let month = 0; month < MONTHS; month++)
    expect(await asked({ credential: `only-in-${month}` })).toEqual([1, [month]])
  expect(await asked({ credential: 'rare,only-in-3' })).toEqual([3, [3, 6, 17]])
  expect(await asked({ credential: 'nobody' })).toEqual([0, []])
  expect((await asked({ credential: 'everywhere' }))[1]).toHaveLength(MONTHS)
})

test('of one that is not wanted, or of how one begins, all of the window are', async () => {
  expect(await asked({ credential: 'only-*' })).toEqual([MONTHS, Array.from({ length: MONTHS }, (_, i) => i)])
  expect(await asked({ credential: '!rare', from: time(17), to: time(18) })).toEqual([2, [17]])
  expect(await asked({ credential: 'only-*', from: time(3), to: time(5) })).toEqual([2, [3, 4]])
})

test('a page that is full spares the older ones; a summary reads what its rows are in', async () => {
  const [rows, months] = await asked({ credential: 'everywhere', limit: 2 })
  // One row more shows that there are more.
  expect([rows, months]).toEqual([2, [17, 18, 19]])
  const { groups } = await archived.summary({ credential: 'rare' })
  expect([groups[0]?.accesses, store.monthsRead()]).toEqual([2, [6, 17]])
})
