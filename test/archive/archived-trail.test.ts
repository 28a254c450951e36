import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ArchivedTrail } from '../../src/archive/archived-trail.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import { type OpenArchives, openArchives } from '../../src/archive/open-archives.js'
import { generateNoteKey } from '../../src/chain/note-key.js'
import type { TrailFilter } from '../../src/query/filter.js'
import { ORDER, SUMMARY_BY, type Summary } from '../../src/query/summary.js'
import type { Page } from '../../src/query/page.js'
import { Trail } from '../../src/query/trail.js'
import { NO_TRUST, type Trust } from '../../src/verify/trust.js'
import { OldTrail } from './old-trail.js'

// What is asked of archives has the answer that the trail gave before its months were retired.

const KEY = 'one key for both'
let trail: OldTrail
let live: Trail
let archived: ArchivedTrail
let pages: Map<string, Page>
let summaries: Map<string, Summary>

const time = (month: number, second = 0): string =>
  new Date((trail.months[month] ?? 0) + second * 1000).toISOString()

/** With a window, so that the trail answers too, and of what is archived. */
const FILTERS: readonly ((from: () => string, to: () => string) => TrailFilter)[] = [
  (from, to) => ({ from: from(), to: to() }),
  (from, to) => ({ from: from(), to: to(), limit: 2 }),
  (from, to) => ({ credential: 'key-1', from: from(), to: to() }),
  (from, to) => ({ credential: 'key-*', from: from(), to: to(), limit: 5 }),
  (from, to) => ({ credential: 'nobody', from: from(), to: to() }),
  (from, to) => ({ outcome: 'not-ok', from: from(), to: to() }),
  (from, to) => ({ outcome: 'wrong_region', from: from(), to: to() }),
  (from, to) => ({ operation: 'get_sealed', from: from(), to: to() }),
  (from, to) => ({ worker_id: 'w-1', from: from(), to: to() }),
  (from, to) => ({ execution_id: '77', from: from(), to: to() }),
  (from, to) => ({ actor_id: 'jane', from: from(), to: to() }),
  (from, to) => ({ from: from(), to: to(), credential: '!key-1' }),
  (from, to) => ({ from: from(), to: to(), credential: 'key-0,only-*', outcome: '!wrong_region' }),
  (from, to) => ({ from: from(), to: to(), actor_id: '!jane' }),
  (from, to) => ({ from: from(), to: to(), own: 'include', hours: 'mo-su 00:00-12:00' }),
  (from, to) => ({ from: from(), to: to(), hours: '!mo-su 00:00-00:01 Europe/Berlin', limit: 4 }),
  (from, to) => ({ from: from(), to: to(), operation: 'audit_lifecycle' }),
  (_, to) => ({ from: time(1), to: to() }),
  (from) => ({ from: from(), to: time(1, 25) }),
  (_, to) => ({ from: time(0, 86_400), to: to(), credential: 'displaced' }),
]
const from = (): string => time(0)
const to = (): string => time(3)
const asked = (): readonly TrailFilter[] => FILTERS.map((filter) => filter(from, to))

beforeAll(async () => {
  trail = await OldTrail.create(4)
  await trail.fill()
  const [worker, actor] = [
    { workerId: 'w-1', executionId: 77n },
    { actorId: 'jane', actorType: 'user' },
  ] as const
  await trail.write(
    trail.event(0, 200, worker),
    trail.event(1, 200, { ...worker, ...actor }),
    trail.event(2, 200, actor),
  )
  await trail.write(trail.event(0, 201, { credential: 'only-here', attributes: { b: 1, a: 'ü"\\' } }))
  await trail.archive(3)
  // A further part of a month that is archived: one that came late, and one whose id is far from its time.
  const displaced = {
    ...trail.event(0, 300, { credential: 'displaced' }),
    occurredAt: (trail.months[1] ?? 0) * 1000 + 5,
  }
  await trail.write(Object.freeze(displaced), trail.event(0, 301))
  live = new Trail({ databaseUrl: trail.database.url, cursorKey: KEY })
  pages = new Map()
  summaries = new Map()
  for (const filter of asked()) {
    pages.set(JSON.stringify(filter), await live.search(filter))
    for (const by of SUMMARY_BY) {
      const { limit, ...rest } = filter
      summaries.set(
        JSON.stringify([filter, by]),
        await live.summary({ ...rest, ...(limit && { limit }) }, { by }),
      )
    }
  }
  for (const order of ORDER.choices)
    summaries.set(order, await live.summary({ from: from(), to: to() }, { order }))
  await trail.retire(3)
  archived = await ArchivedTrail.open(trail.store, trail.trust, KEY)
})

afterAll(async () => {
  await live.close()
  await trail.drop()
})

test('every page is the one that the trail gave, with its cursor', async () => {
  for (const filter of asked()) {
    expect(await archived.search(filter), JSON.stringify(filter)).toEqual(pages.get(JSON.stringify(filter)))
    expect((await live.search(filter)).rows).toEqual([])
  }
  expect([...pages.values()].filter(({ rows }) => rows.length > 0).length).toBeGreaterThan(8)
})

test('every summary is, by whatever', async () => {
  for (const filter of asked())
    for (const by of SUMMARY_BY) {
      const key = JSON.stringify([filter, by])
      expect(await archived.summary(filter, { by }), key).toEqual(summaries.get(key))
    }
})

test.each(ORDER.choices)('every group has its place, by %s', async (order) => {
  expect(await archived.summary({ from: from(), to: to() }, { order })).toEqual(summaries.get(order))
})

test('paging goes on from a cursor, repeats no row and misses none; a cursor of the trail is understood', async () => {
  const whole = await archived.search({ from: from(), to: to(), limit: 1000 })
  const ids: string[] = []
  let cursor: string | null | undefined
  do {
    const page: Page = await archived.search({ from: from(), to: to(), limit: 3, ...(cursor && { cursor }) })
    ids.push(...page.rows.map((row) => row.audit_id))
    cursor = page.next_cursor
  } while (cursor !== null)
  expect(ids).toEqual(whole.rows.map((row) => row.audit_id))
  const [first] = pages.values()
  expect(first?.rows.length).toBe(whole.rows.length)
  const limited = { from: from(), to: to(), limit: 2 }
  const before = pages.get(JSON.stringify(limited))
  const next = await archived.search({ ...limited, cursor: before?.next_cursor ?? '' })
  expect(next.rows[0]?.audit_id).toBe(ids[2])
  const streamed: string[] = []
  for await (const page of archived.pages({ from: from(), to: to() }))
    streamed.push(...page.rows.map((row) => row.audit_id))
  expect(streamed).toEqual(ids)
})

describe('what cannot have a row is not read', () => {
  const members = async (filter: TrailFilter): Promise<number> => {
    const before = archived.membersRead
    await archived.search(filter)
    return archived.membersRead - before
  }

  test('by the credential, the window, and the cursor', async () => {
    const all = await members({ limit: 1000 })
    expect(all).toBe(4)
    expect(await members({ credential: 'only-here' })).toBe(1)
    expect(await members({ credential: 'nobody' })).toBe(0)
    expect(await members({ from: time(2), to: to() })).toBe(1)
    expect(await members({ limit: 1 })).toBe(1)
  })
})

test('what is settled, and a mark, are as of the trail', async () => {
  expect((await archived.search({ from: from(), settled: true })).rows.length).toBeGreaterThan(0)
  expect((await archived.search({ from: from(), settled: '3' })).rows).toEqual([])
  expect(await archived.settledState()).toMatchObject({ unsettled: 0, replicated: false })
})

describe('archives that are not in order are not asked', () => {
  const open = (trust: Partial<Trust>, place = trail.directory): Promise<OpenArchives> =>
    openArchives(new DirectoryStore(place), { ...NO_TRUST, ...trust })

  test('of another key, or another trail', async () => {
    const stranger = generateNoteKey(trail.key.signer.name)
    await expect(open({ retention: [stranger.signer.key] })).rejects.toThrow(/no known key has signed it/)
    await expect(open({ trails: ['0'.repeat(32)] })).rejects.toThrow(/is of trail/)
    await expect(open({})).resolves.toBeDefined()
  })

  test('none, and one that is missing', async () => {
    await expect(open({}, join(trail.directory, 'nowhere'))).rejects.toThrow(/there is no archive/)
    const [first = ''] = await trail.store.folders()
    rmSync(join(trail.directory, first), { recursive: true })
    await expect(open({})).rejects.toThrow(/one is missing/)
  })
})
