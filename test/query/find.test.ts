import {
  type FindOptions,
  type FindPattern,
  type FoundAccesses,
  parseTrust,
  type TrailFilter,
} from 'otel-audit/query'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditorTrail } from '../cli/auditor-trail.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { trailAt } from './trail-at.js'

let database: TestDatabase
let trustText: string

beforeAll(async () => {
  database = await migratedDatabase()
  trustText = (await auditorTrail(database.url)).trust
})

afterAll(() => database.drop())

const find = (
  pattern: FindPattern,
  filter: TrailFilter = {},
  options: FindOptions = {},
): Promise<FoundAccesses> => trailAt(database).find(pattern, filter, options)

const brief = ({ rows }: FoundAccesses): string[] =>
  rows.map(({ credential, actor_id, occurred_at }) => `${credential} ${actor_id} ${occurred_at.slice(0, 10)}`)

test('the first access to each credential, the oldest first, of whoever is asked for', async () => {
  const all = await find('first')
  expect(brief(all)).toEqual([
    'legacy-ftp joe 2026-03-23',
    'orders-db jane 2026-04-02',
    'billing-db jane 2026-07-08',
  ])
  expect(brief(await find('first', { actor_id: 'mallory' }))).toEqual(['billing-db mallory 2026-07-08'])
  expect(brief(await find('first', { actor_id: 'nobody' }))).toEqual([])
  const one = await find('first', { limit: 1 })
  expect(one).toMatchObject({ pattern: 'first', truncated: true, rows: [{ credential: 'legacy-ftp' }] })
  expect(brief(await find('first', { from: '2026-07-01' }))).not.toContainEqual(
    expect.stringContaining('legacy-ftp'),
  )
})

test('credentials that were last accessed long ago, with that access', async () => {
  const days = (since: number): string => `${Math.floor((Date.now() - since) / 86_400_000)}d`
  expect(brief(await find('dormant', {}, { unusedFor: days(Date.UTC(2026, 5, 1)) }))).toEqual([
    'legacy-ftp joe 2026-03-23',
  ])
  expect(brief(await find('dormant', {}, { unusedFor: '9999d' }))).toEqual([])
  for (const unusedFor of ['soon', '0d', '']) {
    await expect(find('dormant', {}, { unusedFor })).rejects.toMatchObject({ field: 'for' })
  }
})

test('accesses that no chain of the operator has recorded', async () => {
  const from = '2026-01-01'
  const found = await find('not-enrolled', { from }, { trust: parseTrust(trustText) })
  expect(brief(found)).toEqual(['orders-db ghost 2026-07-09'])
  const [ghost] = found.rows
  const pinned = `origin otel-audit/wallet\nhead ${ghost?.chain_id?.replaceAll('-', '')} 0 ${'ab'.repeat(32)}\n`
  const others = await find('not-enrolled', { from }, { trust: parseTrust(pinned) })
  expect(others.rows.map(({ service_name }) => service_name)).not.toContain('shadow')
  expect(others.rows.length).toBeGreaterThan(5)
  for (const trust of [undefined, parseTrust('unsigned none')]) {
    await expect(find('not-enrolled', { from }, { trust })).rejects.toMatchObject({ field: 'trust' })
  }
})

test('a page of a search is not what is looked for', async () => {
  await expect(find('first', { cursor: 'x' })).rejects.toMatchObject({ field: 'cursor' })
})
