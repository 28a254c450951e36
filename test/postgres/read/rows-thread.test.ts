import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from 'pg'
import { Snapshot } from '../../../build/src/postgres/read/snapshot.js'
import { packRows, unpackRows } from '../../../src/postgres/read/packed-rows.js'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { ALL_IDS, type CheckedRow } from '../../../src/verify/source.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { captureThreads, threads } from '../thread/worker-capture.js'
import { ORIGINAL_INSERT, originalValues } from '../adopt/original-table.js'

// Rows that a thread reads are those that are read here.

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null })

const row: fc.Arbitrary<CheckedRow> = fc
  .record({
    auditId: int8,
    originalAuditId: orNull(int8),
    computed: bytes(32),
    other: orNull(fc.uint8Array({ maxLength: 40 })),
    isAsStored: fc.boolean(),
    chain: orNull(bytes(16).map((id) => Buffer.from(id).toString('hex'))),
    block: orNull(int8.map(Number)),
    index: orNull(fc.integer()),
    isForeign: fc.option(fc.boolean(), { nil: undefined }),
  })
  .map(({ other, isAsStored, ...rest }) => ({ ...rest, stored: isAsStored ? rest.computed : other }))

const plain = ({ computed, stored, ...rest }: CheckedRow): object => ({
  ...rest,
  computed: [...computed],
  stored: stored === null ? null : [...stored],
})

test('any rows are the same when they have been packed', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const unpacked = unpackRows(packRows(rows))
      expect(unpacked.map(plain)).toEqual(rows.map(plain))
      for (const [i, { stored, computed }] of rows.entries())
        expect(unpacked[i]?.stored === unpacked[i]?.computed).toBe(stored === computed)
    }),
  )
})

describe('on a trail', () => {
  let database: TestDatabase
  let owner: Client
  const MANY = 1_000_000
  const EVERYTHING = { chain: undefined, ids: undefined }

  beforeAll(async () => {
    database = await migratedDatabase()
    owner = await connect(database.url)
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    for (const size of [1, 2000, 7, 3000, 3000, 3000])
      await sink.write(batchOf(...Array.from({ length: size }, () => anEvent())))
    await sink.close()
    await owner.query(ORIGINAL_INSERT, originalValues(anEvent().auditId))
    await owner.query('alter table noetl.secret_audit disable trigger all')
    const some =
      'where audit_id in (select audit_id from noetl.secret_audit order by audit_id offset $1 limit 1)'
    await owner.query(`update noetl.secret_audit set event_digest = sha256('x') ${some}`, [10])
    await owner.query(`update noetl.secret_audit set notes = 'other' ${some}`, [11])
    await owner.query(`update noetl.secret_audit set block_index = null ${some}`, [12])
  })

  afterAll(async () => {
    await owner.end()
    await database.drop()
  })

  const open = (): Promise<Snapshot> => Snapshot.open({ databaseUrl: database.url, schema: 'noetl' })
  const sessions = async (): Promise<number> => {
    const sql = `select count(*)::int as n from pg_stat_activity where application_name = 'otel-audit verify' and datname = current_database()`
    return (await owner.query(sql)).rows[0].n
  }

  async function read(snapshot: Snapshot, expected: number): Promise<{ rows: object[]; sessions: number }> {
    const rows: object[] = []
    let most = 0
    for await (const batch of snapshot.rows(ALL_IDS, EVERYTHING, expected)) {
      if (rows.length === 0) most = await sessions()
      rows.push(...batch.map(plain))
    }
    return { rows, sessions: most }
  }

  test('a thread gives the same rows in the same order, of the same snapshot, on a session of its own', async () => {
    const snapshot = await open()
    await owner.query(ORIGINAL_INSERT, originalValues(anEvent().auditId))
    const here = await read(snapshot, 0)
    const there = await read(snapshot, MANY)
    expect([here.rows.length, here.sessions, there.sessions]).toEqual([11_009, 2, 3])
    expect(there.rows).toEqual(here.rows)
    await snapshot.close()
    await expect.poll(sessions).toBe(0)
  })

  test('who stops early ends the thread', async () => {
    const snapshot = await open()
    for await (const batch of snapshot.rows(ALL_IDS, EVERYTHING, MANY)) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    await expect.poll(sessions).toBe(2)
    await snapshot.close()
  })

  test('a thread that ends is an error, and not the end of the rows', async () => {
    const release = captureThreads()
    const snapshot = await open()
    const reading = (async () => {
      for await (const batch of snapshot.rows(ALL_IDS, EVERYTHING, MANY)) {
        expect(batch.length).toBeGreaterThan(0)
        await threads[0]?.terminate()
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await snapshot.close()
    release()
  })

  test('a snapshot that is gone is an error', async () => {
    const snapshot = await open()
    await owner.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'otel-audit verify' and datname = current_database()`,
    )
    await expect.poll(sessions).toBe(0)
    await expect(read(snapshot, MANY)).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await snapshot.close()
  })
})
