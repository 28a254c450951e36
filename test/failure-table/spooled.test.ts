import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { smallDisk } from '../spool/small-disk.js'
import { temporaryDirectory } from '../spool/directories.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { allowLines } from '../support/allow-lines.js'
import { connect } from '../support/database.js'
import { openPipeline, type TestPipeline } from '../support/pipeline.js'
import { TrailServer } from '../support/trail-server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'

const MAX_BYTES = 64 * 1024 * 1024
const QUEUE_ROWS = 500

let trails: TrailServer
let url: string
let pipeline: TestPipeline

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())

beforeEach(async () => {
  url = await trails.trail()
  pipeline = openPipeline(url, { queueRows: QUEUE_ROWS, answerTimeoutMs: 2000 })
  await pipeline.ledger.strict().answer
})

afterEach(async () => {
  await waitUntil('everything to be settled', async () => {
    await pipeline.exporter.forceFlush()
    const { pending, spoolIn, spoolOut } = pipeline.exporter.stats()
    return pending === 0 && spoolIn === spoolOut
  })
  await pipeline.finish(url)
})

/** Async events, a few in each turn of the event loop. */
async function record(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    pipeline.ledger.async({ notes: 'n'.repeat(200) })
    if (n % 20 === 0) await new Promise(setImmediate)
  }
}

const onDiskOnly = (): number => {
  const { spoolIn, spoolOut } = pipeline.exporter.stats()
  return spoolOut - spoolIn
}

const gapRows = async (): Promise<readonly Record<string, unknown>[]> =>
  (await readTrail(url))
    .filter(({ event }) => event.operation === 'audit_gap')
    .map(({ event }) => JSON.parse(event.attributesJson ?? '{}') as Record<string, unknown>)

describe('Postgres is stopped, and more events come than the queue holds', () => {
  test('with a spool: they are on disk, and all of them are stored afterwards', async () => {
    const spool = await openLmdbSpool({ directory: temporaryDirectory(), maxBytes: MAX_BYTES })
    pipeline.exporter.attachSpool(spool, 'overflow')
    await trails.server.stop()
    for (let round = 0; round < 10; round++) {
      await record(QUEUE_ROWS / 2)
      await waitUntil('memory to be free again', () => pipeline.exporter.stats().pending < QUEUE_ROWS / 2)
    }
    expect(onDiskOnly()).toBeGreaterThan(4 * QUEUE_ROWS)
    // It may have been the last one in memory.
    expect(await pipeline.ledger.strict({}, 100).answer).toMatchObject({ row: 'not-stored' })
    await trails.server.start()
    await waitUntil('all of them', () => pipeline.exporter.stats().written >= 1 + 5 * QUEUE_ROWS)
    expect(pipeline.exporter.stats()).toMatchObject({ droppedAsync: 0 })
    await waitUntil('an empty spool', () => spool.status.entries === 0)
  })

  test('without a spool: strict callers are refused at once, async events are dropped, and a gap row counts them', async () => {
    await trails.server.stop()
    await record(QUEUE_ROWS + 200)
    const { answer } = pipeline.ledger.strict()
    expect(await answer).toMatchObject({ code: 'AUDIT_QUEUE_FULL', row: 'not-stored' })
    expect(pipeline.exporter.stats()).toMatchObject({ droppedAsync: 200, failedStrict: 1 })
    await trails.server.start()
    const gap = await waitUntil('the gap row', async () => (await gapRows())[0])
    expect(gap).toMatchObject({ count: 201, reason: 'queue_full' })
  })

  test('and the disk of the spool is full: counted drops, the service goes on, a gap row, and the rest is stored', async () => {
    const disk = smallDisk(16)
    const spool = await openLmdbSpool({ directory: join(disk.directory, 'spool'), maxBytes: MAX_BYTES })
    pipeline.exporter.attachSpool(spool, 'overflow')
    await trails.server.stop()
    await record(100)
    await waitUntil('most of them on disk', () => onDiskOnly() > 50)
    disk.fill()
    await waitUntil('drops', async () => {
      await record(100)
      return pipeline.exporter.stats().droppedAsync >= 100
    })
    disk.clear()
    await trails.server.start()
    await waitUntil(
      'a place in the queue',
      async () => 'committedAt' in (await pipeline.ledger.strict().answer),
    )
    const lost = pipeline.exporter.stats().droppedAsync
    await waitUntil('the gap rows', async () => {
      const counted = (await gapRows()).map(({ count }) => Number(count))
      return counted.reduce((sum, count) => sum + count, 0) >= lost
    })
  })
})

test('a row that Postgres refuses, and a spool: it alone is set aside on disk with the reason, and counted', async () => {
  await pipeline.finish(url)
  const owner = await connect(url)
  await owner.query(`alter table noetl.secret_audit add constraint no_bad check (credential <> 'bad')`)
  await owner.end()
  const strange = new PostgresAuditSink({ databaseUrl: url })
  const allowInStore = (await allowLines(strange)).join(';')
  await strange.close()
  pipeline = openPipeline(url, { queueRows: QUEUE_ROWS, answerTimeoutMs: 2000, allowInStore })
  for (const { event } of await readTrail(url)) pipeline.ledger.expectStranger(event)
  const spool = await openLmdbSpool({ directory: temporaryDirectory(), maxBytes: MAX_BYTES })
  pipeline.exporter.attachSpool(spool, 'always')
  const { ledger } = pipeline
  const [bad, mates] = [ledger.async({ credential: 'bad' }), Array.from({ length: 20 }, () => ledger.async())]
  expect(await bad.fate).toBe('quarantined')
  expect(await Promise.all(mates.map(({ fate }) => fate))).toEqual(mates.map(() => 'stored'))
  await waitUntil('the spool', () => spool.status.entries === 0 && spool.status.quarantined === 1)
})

test('the table is renamed away for a while, and a spool: events go to disk, and come back by themselves', async () => {
  const spool = await openLmdbSpool({ directory: temporaryDirectory(), maxBytes: MAX_BYTES })
  pipeline.exporter.attachSpool(spool, 'overflow')
  const owner = await connect(url)
  await owner.query('alter table noetl.secret_audit rename to secret_audit_away')
  await record(300)
  await waitUntil('most of them on disk', () => onDiskOnly() > 250)
  expect(await pipeline.ledger.strict().answer).toMatchObject({
    code: 'AUDIT_UNAVAILABLE',
    message: expect.stringContaining('the table of the rows is missing'),
  })
  await owner.query('alter table noetl.secret_audit_away rename to secret_audit')
  await owner.end()
  await waitUntil('all of them', () => pipeline.exporter.stats().written >= 301)
})
