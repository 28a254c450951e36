import { readdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { diagnosePartitions } from '../../src/postgres/diagnose-partitions.js'
import { ensurePartitionFor, ensurePartitions, listPartitions } from '../../src/postgres/partitions.js'
import { batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { OldTrail } from './old-trail.js'

let trail: OldTrail

afterEach(() => trail.drop())

test.each([
  ['week', /^00000\d-y\d{4}w\d\d$/],
  ['day', /^00000\d-y\d{4}d\d{3}$/],
] as const)(
  'what is partitioned by %s is archived, retired and verified as months are',
  async (width, folder) => {
    trail = await OldTrail.create(4, width)
    await trail.fill()
    const before = await readTrail(trail.owner)
    expect((await trail.archive(3)).archived).toHaveLength(3)
    for (const name of readdirSync(trail.directory)) expect(name).toMatch(folder)
    expect((await trail.retire(3)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired', 'retired'])
    const left = (await readTrail(trail.owner)).map(({ event }) => event.auditId)
    const kept = before.map(({ event }) => event.auditId).filter((id) => id >= trail.bound(3))
    expect(left.slice(0, kept.length)).toEqual(kept)
    const { found, rows } = await verifiedTrail(trail.database.url, trail.trust)
    expect([found, rows.retired]).toEqual([[], 20])
    expect((await trail.verifyFiles()).found).toEqual([])
    // What was retired is not made again, and an event of that time finds another place.
    expect(await ensurePartitions(trail.owner, 'noetl')).toEqual([])
    await expect(ensurePartitionFor(trail.owner, 'noetl', trail.bound(2))).rejects.toMatchObject({
      code: '22023',
    })
    expect(await trail.writer.write(batchOf(trail.event(1, 300)))).toMatchObject({ status: 'refused' })
    expect((await diagnosePartitions(trail.owner, 'noetl')).findings).toEqual([])
  },
)

test('a month that was retired is not made again in weeks', async () => {
  trail = await OldTrail.create(3)
  await trail.fill()
  await trail.archive(2)
  await trail.retire(2)
  await trail.owner.query(`select noetl.secret_audit_set_partition_width('week')`)
  await expect(ensurePartitionFor(trail.owner, 'noetl', trail.bound(1))).rejects.toMatchObject({
    code: '22023',
  })
  expect(await ensurePartitions(trail.owner, 'noetl')).toEqual([])
  const partitions = await listPartitions(trail.owner, 'noetl')
  expect(partitions[0]?.fromId).toBe(trail.bound(2))
  await trail.write(trail.event(2, 300))
  expect((await verifiedTrail(trail.database.url, trail.trust)).found).toEqual([])
})
