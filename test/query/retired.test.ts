import { randomBytes } from 'node:crypto'
import type { Retired, RetiredRange } from 'otel-audit/query'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { retiredIn } from '../../src/query/retired.js'
import { Trail } from '../../src/query/trail.js'
import { OldTrail } from '../archive/old-trail.js'

let old: OldTrail
let trail: Trail

const time = (month: number): string => new Date(old.months[month] ?? 0).toISOString().replace('Z', '000Z')
const micros = (month: number): number => (old.months[month] ?? 0) * 1000

beforeAll(async () => {
  old = await OldTrail.create(4)
  await old.fill()
  trail = new Trail({ databaseUrl: old.database.url })
})

afterAll(async () => {
  await trail.close()
  await old.drop()
})

test('what is archived is in the trail still; what is retired is told, with its place', async () => {
  expect(await trail.retired()).toEqual({ ranges: [] })
  await old.archive(2)
  expect(await trail.retired()).toEqual({ ranges: [] })
  await old.retire(2)
  const { ranges } = await trail.retired()
  expect(ranges).toMatchObject([
    { state: 'retired', from: time(0), to: time(1), rows: 7, place: old.directory },
    { state: 'retired', from: time(1), to: time(2), rows: 7, place: old.directory },
  ])
})

test('what is on its way is told, too', async () => {
  const set = (state: string) =>
    old.owner.query(`update noetl.secret_audit_retirement set state = $1 where from_id = $2`, [
      state,
      String(old.bound(1)),
    ])
  const states: (string | undefined)[] = []
  for (const state of ['retiring', 'detached', 'dropped', 'retired']) {
    await set(state)
    states.push((await trail.retired()).ranges?.at(-1)?.state)
  }
  expect(states).toEqual(['retiring', 'retiring', 'retired', 'retired'])
})

test('a login that may read rows only is told that it may not see it', async () => {
  const role = `reads_rows_${randomBytes(6).toString('hex')}`
  await old.owner.query(`create role ${role} login; grant usage on schema noetl to ${role};
    grant select on all tables in schema noetl to ${role};
    revoke select on noetl.secret_audit_retirement from ${role}`)
  const url = new URL(old.database.url)
  url.username = role
  url.password = ''
  const reader = new Trail({ databaseUrl: url.href })
  try {
    expect(await reader.retired()).toEqual({ ranges: null })
  } finally {
    await reader.close()
    await old.owner.query(`drop owned by ${role}; drop role ${role}`)
  }
})

describe('a window', () => {
  const reached = async (from: number | undefined, to?: number): Promise<number[]> => {
    const all: Retired = await trail.retired()
    return retiredIn(all, { from, to }).map((range: RetiredRange) => all.ranges?.indexOf(range) ?? -1)
  }

  test('reaches into those that it overlaps, its end and theirs excluded', async () => {
    expect(await reached(undefined)).toEqual([0, 1])
    expect(await reached(micros(2))).toEqual([])
    expect(await reached(micros(2) - 1)).toEqual([1])
    expect(await reached(micros(0), micros(1))).toEqual([0])
    expect(await reached(micros(1), micros(2))).toEqual([1])
    expect(await reached(undefined, micros(0))).toEqual([])
    expect(retiredIn({ ranges: null }, { from: undefined, to: undefined })).toEqual([])
  })
})
