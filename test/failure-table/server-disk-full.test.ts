import { chownSync, statSync } from 'node:fs'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { smallDisk } from '../spool/small-disk.js'
import { connect } from '../support/database.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { TrailServer } from '../support/trail-server.js'

let trails: TrailServer
let url: string
let owner: Client
let pipeline: TestPipeline

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  owner = await connect(url)
  pipeline = openPipeline(url)
  await pipeline.ledger.strict().answer
})

afterEach(async () => {
  await pipeline.finish(url)
  await owner.end()
})

interface FullDisk {
  fill(): Promise<void>
  clear(): Promise<void>
}

/**
 * A disk of its own for this month's rows, that can be full. Where this user may not mount one, the server is made to
 * say what it says then.
 */
async function diskOfTheServer(): Promise<FullDisk> {
  const disk = smallDisk(16)
  if (!disk.isMounted) {
    await owner.query(`create function public.full_disk() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`)
    return {
      fill: async () =>
        void (await owner.query(
          'create trigger full_disk before insert on noetl.secret_audit for each row execute function public.full_disk()',
        )),
      clear: async () => void (await owner.query('drop trigger full_disk on noetl.secret_audit')),
    }
  }
  const { uid, gid } = statSync(trails.server.dataDirectory)
  chownSync(disk.directory, uid, gid)
  await owner.query(`create tablespace small location '${disk.directory}'`)
  const { rows } = await owner.query<{ partition: string }>(
    'select distinct tableoid::regclass::text as partition from noetl.secret_audit',
  )
  for (const { partition } of rows) await owner.query(`alter table ${partition} set tablespace small`)
  return { fill: async () => disk.fill(), clear: async () => disk.clear() }
}

test('the disk of the server is full: strict callers are told why, async events wait; then all are stored once', async () => {
  const disk = await diskOfTheServer()
  const { ledger, exporter } = pipeline
  await disk.fill()
  // What the last page has room for is still taken.
  let refused: unknown
  // A deadline that falls into a send is told as unknown.
  while (!(refused instanceof AuditError && refused.row === 'not-stored')) {
    const { answer, fate } = ledger.strict({ notes: 'n'.repeat(1000) }, 300)
    refused = await answer
    await fate
  }
  expect(refused).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored', cause: { code: '53100' } })
  const [patient, async, denial] = [
    ledger.strict({ notes: 'n'.repeat(1000) }),
    ledger.async({ notes: 'n'.repeat(1000) }),
    ledger.strict({ notes: 'n'.repeat(1000), outcome: 'wrong_region' }, 300),
  ]
  expect(await denial.answer).toMatchObject({ row: expect.stringMatching(/^(not-stored|unknown)$/) })
  expect(exporter.stats().pending).toBe(3)
  await disk.clear()
  expect(await patient.answer).toHaveProperty('committedAt')
  expect([await async.fate, await denial.fate]).toEqual(['stored', 'stored'])
})
