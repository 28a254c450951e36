import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { otelAudit } from './otel-audit.js'

let database: TestDatabase
let directory: string
let file: string

beforeAll(async () => {
  database = await migratedDatabase()
  directory = mkdtempSync(join(tmpdir(), 'verify-metrics-'))
  file = join(directory, 'otel_audit.prom')
  writeFileSync(join(directory, 'audit.trust'), 'unsigned none\n')
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  expect(await sink.write(batchOf(anEvent(), anEvent()))).toMatchObject({ status: 'committed' })
  await sink.close()
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await database.drop()
})

async function verified(
  url = database.url,
): Promise<{ code: number | null; values: Record<string, number> }> {
  const args = ['verify', '--trust', join(directory, 'audit.trust'), '--metrics', file]
  const { code } = await otelAudit(args, { DATABASE_URL: url })
  const found = readFileSync(file, 'utf8').matchAll(/^noetl_secret_audit_verify_(\w+) (\S+)$/gm)
  return { code, values: Object.fromEntries([...found].map(([, name = '', value]) => [name, Number(value)])) }
}

test('what came of a verification is written for Prometheus, and the last success stays', async () => {
  const before = Math.floor(Date.now() / 1000)
  const first = await verified()
  expect(first).toEqual({
    code: 0,
    values: { findings: 0, rows: 2, last_success: expect.any(Number), duration: expect.any(Number) },
  })
  const { last_success: success = 0 } = first.values
  expect(success).toBeGreaterThanOrEqual(before)

  const owner = await connect(database.url)
  await owner.query(
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome)
     select audit_id + 1, 'c', 'get_credential', 'ok' from noetl.secret_audit order by audit_id desc limit 1`,
  )
  await owner.end()
  const second = await verified()
  expect(second).toMatchObject({ code: 1, values: { findings: 1, last_success: success } })

  // Not verified: nothing that could be taken for it.
  const third = await verified('postgres://nobody@127.0.0.1:1/none')
  expect(third).toMatchObject({ code: 2, values: second.values })
})

test('a file that cannot be written is said', async () => {
  const args = ['verify', '--metrics', join(directory, 'none', 'otel_audit.prom')]
  const { code, stderr } = await otelAudit(args, { DATABASE_URL: database.url })
  expect(code).toBe(2)
  expect(stderr).toContain('the metrics cannot be written')
})
