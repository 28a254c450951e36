import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { type HonestTrail, honestTrail } from '../cli/honest-trail.js'
import { otelAudit } from '../cli/otel-audit.js'
import { copyOf, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { sql } from '../support/ours.js'

let honest: HonestTrail
let database: TestDatabase

beforeAll(async () => {
  honest = await honestTrail()
})
afterAll(() => honest.database.drop())
beforeEach(async () => {
  database = await copyOf(honest.database)
})
afterEach(() => database.drop())

describe('a schema that was renamed', () => {
  const RENAMED = /schema archive was made as noetl and renamed.*alter schema archive rename to noetl/

  beforeEach(() => sql(database.url, 'alter schema noetl rename to archive'))

  test('is read and verified as before', async () => {
    for (const args of [['verify'], ['export', '--unrecorded', '--from', '-24h']]) {
      const { code, stderr } = await otelAudit([...args, '--schema', 'archive'], {
        DATABASE_URL: database.url,
      })
      expect(code, stderr).toBe(0)
    }
  })

  test('is not written to, and doctor, migrate and the writer say why', async () => {
    const env = { DATABASE_URL: database.url, NOETL_SECRET_AUDIT_SCHEMA: 'archive', NODE_ENV: 'test' }
    const doctor = await otelAudit(['doctor'], env)
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toMatch(RENAMED)
    expect((await otelAudit(['migrate'], env)).stderr).toMatch(RENAMED)
    const sink = new PostgresAuditSink({ databaseUrl: database.url, schema: 'archive' })
    const written = await sink.write(batchOf(anEvent()))
    expect(written).toMatchObject({ status: 'failed', lasting: true })
    expect(JSON.stringify(written)).toMatch(RENAMED)
    await sink.close()
  })

  test('is not ours either when another one has taken its name', async () => {
    await migrate({ databaseUrl: database.url })
    const sink = new PostgresAuditSink({ databaseUrl: database.url, schema: 'archive' })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'failed', lasting: true })
    await sink.close()
    const other = new PostgresAuditSink({ databaseUrl: database.url })
    expect(await other.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    await other.close()
  })

  test('is written to again under its own name', async () => {
    await sql(database.url, 'alter schema archive rename to noetl')
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    await sink.close()
  })
})
