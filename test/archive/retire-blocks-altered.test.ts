import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Finding } from '../../src/verify/finding.js'
import { unguard } from '../cli/honest-trail.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

// Blocks that somebody has removed before the blocks of retired rows go: what is signed then must not cover for it.

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(4)
  for (let second = 100; second < 104; second++) await trail.write(trail.event(0, second))
  // Of a month that stays, and before blocks that go.
  await trail.write(trail.event(2, 50, { credential: 'stays' }))
  await trail.fill()
  await trail.write(trail.event(3, 500))
})

afterEach(() => trail.drop())

async function found(): Promise<readonly string[]> {
  const { found: all } = await verifiedTrail(trail.database.url, trail.trust)
  return [...new Set(all.map(({ code }: Finding) => code))]
}

const blocksAre = async (which: string): Promise<number[]> => {
  const { rows } = await trail.owner.query<{ no: number }>(
    `select block_no::int as no from noetl.secret_audit_block where ${which} order by 1`,
  )
  return rows.map(({ no }) => no)
}

const startsAre = async (): Promise<number> =>
  (await trail.owner.query('select from noetl.secret_audit_chain_start')).rowCount ?? 0

describe('a block with rows that stay, removed with its rows', () => {
  test('before they are retired, is not among what was retired: nothing is signed, and it is found', async () => {
    await trail.archive(2)
    await unguard(trail.owner)
    await trail.owner.query(`delete from noetl.secret_audit where credential = 'stays'`)
    await trail.owner.query(`delete from noetl.secret_audit_block where block_no = 5`)
    expect(await found()).toContain('block-missing')
    await expect(trail.retire(2)).rejects.toThrow(/block 5 of chain [0-9a-f]{32} is not in the trail/)
    expect([await startsAre(), await found()]).toEqual([0, expect.arrayContaining(['block-missing'])])
  })
})

test('a list that was emptied is signed anew, and what is missing in between had no row that stays', async () => {
  await trail.archive(2)
  await trail.retire(2)
  await unguard(trail.owner)
  await trail.owner.query('delete from noetl.secret_audit_chain_start')
  expect(await found()).toEqual(['block-missing'])
  await trail.retire(2)
  const { found: all } = await verifiedTrail(trail.database.url, trail.trust)
  expect([await startsAre(), all]).toEqual([1, []])
  expect((await blocksAre('true')).slice(0, 2)).toEqual([0, 5])
})
