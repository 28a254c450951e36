import { PostgresAuditSink } from 'otel-audit'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AuditFields } from '../../src/event/event.js'
import { coverageRow } from '../../src/event/self-rows.js'
import { PATH, served } from '../server/served.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { otelAudit, type Result } from './otel-audit.js'

let database: TestDatabase
let client: Client

beforeAll(async () => {
  database = await migratedDatabase()
  client = await connect(database.url)
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  const known = { hook: undefined, reason: undefined, node: 'v24.1.0', since: new Date().toISOString() }
  const rows: [string, AuditFields][] = [
    [
      'orders',
      coverageRow({ ...known, client: '@aws-sdk/client-ssm@3.1162.0', state: 'hooked', hook: 'send' }),
    ],
    [
      'orders',
      coverageRow({ ...known, client: 'node-vault@0.10.2\u001b[31m', state: 'not_hooked', reason: 'gone' }),
    ],
    ['billing', coverageRow({ ...known, client: 'wire:vault', state: 'wire' })],
  ]
  for (const [serviceName, row] of rows) {
    await sink.write(
      batchOf(anEvent({ ...row, executionId: undefined }, { serviceName, serviceInstanceId: 'i' })),
    )
  }
  await sink.close()
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

const coverage = (...args: readonly string[]): Promise<Result> =>
  otelAudit(['coverage', ...args], { DATABASE_URL: database.url })

test('otel-audit coverage answers for the whole fleet, or for one service', async () => {
  const { code, stdout } = await coverage('--format', 'table')
  expect(stdout.split('\n')[0]).toMatch(/^SERVICE +CLIENT +VERSION +STATE +SINCE +PROCESSES +HOOK OR REASON$/)
  expect(stdout).toMatch(/^billing +wire:vault +wire +2\S+T\S+ +1$/m)
  expect(stdout).toMatch(/^orders +@aws-sdk\/client-ssm +3\.1162\.0 +hooked +2\S+ +1 +send$/m)
  expect(stdout).toContain('0.10.2\\u001b[31m')
  expect(stdout).not.toContain('\u001b')
  expect(code).toBe(0)
  const one = await coverage('--service', 'billing', '--format', 'json')
  expect(JSON.parse(one.stdout)).toMatchObject({
    clients: [{ client: 'wire:vault', processes: 1 }],
    truncated: false,
  })
  const before = await coverage('--at', '2020-01-01', '--format', 'table')
  expect(before.stdout).toBe('No process has said how its secret clients are covered.\n')
})

test('can gate: 3 where something is not covered', async () => {
  const fine = await coverage('--service', 'billing', '--exit-code')
  expect(fine.code).toBe(0)
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  const row = coverageRow({
    client: 'grpc:gcp',
    state: 'observed',
    hook: undefined,
    reason: 'AccessSecretVersion',
    node: 'v24.1.0',
    since: new Date().toISOString(),
  })
  await sink.write(batchOf(anEvent(row, { serviceName: 'billing', serviceInstanceId: 'i' })))
  await sink.close()
  expect((await coverage('--service', 'billing', '--exit-code')).code).toBe(3)
})

test('leaves a row about the read', async () => {
  await coverage('--service', 'orders', '--at', '2026-01-01')
  const { rows } = await client.query<{ attributes: Record<string, unknown> }>(
    `select attributes from noetl.secret_audit where operation = 'query_trail' order by audit_id desc limit 1`,
  )
  expect(rows[0]?.attributes).toMatchObject({ what: 'coverage', via: 'cli', rows: 0 })
  expect(JSON.parse(String(rows[0]?.attributes['filter']))).toEqual({
    service_name: 'orders',
    at: '2026-01-01T00:00:00.000000Z',
  })
})

test.each([
  [['--at', 'yesterday'], 'at must be an RFC 3339 time'],
  [['--limit', '0'], 'limit must be an integer'],
  [['--format', 'csv'], '--format must be table, ndjson or json, not csv'],
])('usage, exit code 2: %j', async (args, message) => {
  const { code, stdout, stderr } = await coverage(...args)
  expect(stderr).toContain(message)
  expect([code, stdout]).toEqual([2, ''])
})

test('the HTTP interface answers the same', async () => {
  const { get } = await served(database.url)
  const { status, body } = await get(`${PATH}/coverage?service_name=orders&limit=1`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    at: expect.stringMatching(/Z$/),
    clients: [
      { service_name: 'orders', client: 'node-vault', state: 'not_hooked', reason: 'gone', processes: 1 },
    ],
    truncated: true,
  })
})
