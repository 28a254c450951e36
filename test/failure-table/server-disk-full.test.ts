import { chownSync, statSync } from 'node:fs'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { smallDisk } from '../spool/small-disk.js'
import { allowLines } from '../support/allow-lines.js'
import { connect } from '../support/database.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { readTrail } from '../support/trail.js'
import { TrailServer } from '../support/trail-server.js'

let trails: TrailServer
let url: string
let owner: Client
let pipeline: TestPipeline
let disk: FullDisk

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  owner = await connect(url)
  // The first row makes the partition of this month.
  const first = openPipeline(url)
  await first.ledger.strict().answer
  await first.finish(url)
  disk = await diskOfTheServer()
  pipeline = openPipeline(url, { allowInStore: disk.allowInStore })
  for (const { event } of await readTrail(url)) pipeline.ledger.expectStranger(event)
})

afterEach(async () => {
  await pipeline.finish(url)
  await owner.end()
})

interface FullDisk {
  /** What of it the check of the store has to let pass. */
  readonly allowInStore: string
  fill(): Promise<void>
  clear(): Promise<void>
}

/**
 * A disk of its own for this month's rows, that can be full. Where this user may not mount one, the server is made to
 * say what it says then.
 */
async function diskOfTheServer(): Promise<FullDisk> {
  const disk = smallDisk(16)
  if (!disk.isMounted) return pretendedDisk()
  const { uid, gid } = statSync(trails.server.dataDirectory)
  chownSync(disk.directory, uid, gid)
  await owner.query(`create tablespace small location '${disk.directory}'`)
  const { rows } = await owner.query<{ partition: string }>(
    'select distinct tableoid::regclass::text as partition from noetl.secret_audit',
  )
  for (const { partition } of rows) await owner.query(`alter table ${partition} set tablespace small`)
  return { allowInStore: '', fill: async () => disk.fill(), clear: async () => disk.clear() }
}

async function pretendedDisk(): Promise<FullDisk> {
  await owner.query(`create table public.disk (is_full boolean);
    insert into public.disk values (false);
    create function public.full_disk() returns trigger language plpgsql as $$ begin
      if (select is_full from public.disk) then
        raise exception 'could not extend file' using errcode = 'disk_full';
      end if;
      return new;
    end $$;
    create trigger full_disk before insert on noetl.secret_audit
      for each row execute function public.full_disk()`)
  const sink = new PostgresAuditSink({ databaseUrl: url })
  const allowInStore = (await allowLines(sink)).join(';')
  await sink.close()
  return {
    allowInStore,
    fill: async () => void (await owner.query('update public.disk set is_full = true')),
    clear: async () => void (await owner.query('update public.disk set is_full = false')),
  }
}

test('the disk of the server is full: strict callers are told why, async events wait; then all are stored once', async () => {
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
