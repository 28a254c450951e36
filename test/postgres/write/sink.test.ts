import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from 'pg'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { readTrail } from '../../support/trail.js'
import { describeAuditSink, type SinkBench } from '../../sinks/conformance.js'
import { ORIGINAL_INSERT, originalValues } from '../adopt/original-table.js'

async function postgresBench(): Promise<SinkBench> {
  const database = await migratedDatabase()
  const owner = await connect(database.url)
  return {
    open: async () => new PostgresAuditSink({ databaseUrl: database.url }),
    rows: async () => (await readTrail(owner)).filter(({ digest }) => digest !== null),
    insertForeign: async (auditId) => void (await owner.query(ORIGINAL_INSERT, originalValues(auditId))),
    close: async () => {
      await owner.end()
      await database.drop()
    },
  }
}

describeAuditSink('PostgresAuditSink', postgresBench, true)

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

test('is named "db"', () => {
  expect(new PostgresAuditSink({ databaseUrl: database.url }).sinkId).toBe('db')
})

test('connects at the first write, not before, and disconnects when closed', async () => {
  const applicationName = 'otel-audit connects'
  const sessions = async (): Promise<number> => {
    const sql = 'select count(*)::int as n from pg_stat_activity where application_name = $1'
    return (await owner.query(sql, [applicationName])).rows[0].n
  }
  const sink = new PostgresAuditSink({ databaseUrl: database.url, applicationName })
  expect(await sessions()).toBe(0)
  await sink.write(batchOf(anEvent()))
  await sink.write(batchOf(anEvent()))
  expect(await sessions()).toBe(1)
  await sink.close()
  await expect.poll(sessions).toBe(0)
})

test('closed: a write says that it failed, and stores nothing', async () => {
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(batchOf(anEvent()))
  await sink.close()
  const late = anEvent()
  expect(await sink.write(batchOf(late))).toMatchObject({
    status: 'failed',
    fault: { code: 'AUDIT_UNAVAILABLE' },
  })
  expect((await readTrail(owner)).map(({ event }) => event.auditId)).not.toContain(late.auditId)
})

test('closed twice, also at once: it ends once, and its chain is closed', async () => {
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(batchOf(anEvent()))
  await Promise.all([sink.close(), sink.close()])
  await sink.close()
  const { rows } = await owner.query(
    'select kind from noetl.secret_audit_block order by recorded_at desc limit 1',
  )
  expect(rows).toEqual([{ kind: 'close' }])
})

test('closed before it has ever connected: it never connects', async () => {
  const applicationName = 'otel-audit never connects'
  const sink = new PostgresAuditSink({ databaseUrl: database.url, applicationName })
  const writing = sink.write(batchOf(anEvent()))
  await sink.close()
  expect(await writing).toMatchObject({ status: 'failed', lasting: true })
  await expect(sink.check()).rejects.toMatchObject({ code: 'AUDIT_CLOSED' })
  const sql = 'select count(*)::int as n from pg_stat_activity where application_name = $1'
  expect((await owner.query(sql, [applicationName])).rows).toEqual([{ n: 0 }])
})

test('a schema that is no name is refused at once', () => {
  expect(
    () => new PostgresAuditSink({ databaseUrl: database.url, schema: 'a"; drop schema noetl; --' }),
  ).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_OPTION' }))
})
