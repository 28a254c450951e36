import { afterAll, beforeAll, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { otelAudit } from '../cli/otel-audit.js'
import { temporaryDirectory } from '../spool/directories.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { sql } from '../support/ours.js'
import { TrailServer } from '../support/trail-server.js'
import { waitUntil } from '../support/wait-until.js'

let trails: TrailServer
let publisher: string
let subscriber: string

beforeAll(async () => {
  trails = await TrailServer.start({ settings: { wal_level: 'logical' } })
  publisher = await trails.trail()
  subscriber = await trails.trail()
  await sql(
    publisher,
    'create publication moved for table noetl.secret_audit, noetl.secret_audit_block',
    `select pg_create_logical_replication_slot('moved', 'pgoutput')`,
  )
  const { hostname, port, username, password, pathname } = new URL(publisher)
  const connection = `host=${hostname} port=${port} user=${username} password=${password} dbname=${pathname.slice(1)}`
  await sql(
    subscriber,
    `create subscription moved connection '${connection}' publication moved
     with (create_slot = false, slot_name = 'moved', copy_data = false)`,
  )
})
afterAll(() => trails.close())

const SAID = /rows come here by logical replication: tail does not show them/

const exportOf = (url: string, ...flags: string[]): ReturnType<typeof otelAudit> =>
  otelAudit(['export', '--unrecorded', ...flags], { DATABASE_URL: url })

test('a replicated row is exported at once, is foreign, and it is said that there may be more', async () => {
  const sink = new PostgresAuditSink({ databaseUrl: publisher })
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
  await sink.close()
  const reader = await connect(subscriber)
  await waitUntil(
    'the row',
    async () => (await reader.query('select from noetl.secret_audit')).rowCount === 1,
  )
  await reader.end()
  const file = ['--output', `${temporaryDirectory()}/all.ndjson`]
  for (const flags of [[], file]) {
    const { code, stderr } = await exportOf(subscriber, ...flags)
    expect(code).toBe(0)
    expect(stderr).toContain('1 row is foreign')
    expect(stderr).toMatch(SAID)
  }
})

test('tail says that it does not show them, also to a login that may only read', async () => {
  await sql(subscriber, 'create role auditor login in role noetl_audit_reader')
  const url = new URL(subscriber)
  url.username = 'auditor'
  url.password = ''
  const args = ['tail', '--unrecorded', '--lines', '0', '--since', '0.1.1.1']
  // It ends at the mark, and what it says of the trail comes first.
  const { stderr } = await otelAudit(args, { DATABASE_URL: url.href })
  expect(stderr).toMatch(SAID)
})

test('where rows are written nothing is said', async () => {
  expect((await exportOf(publisher)).stderr).not.toMatch(SAID)
})

test('nor once the subscription has ended', async () => {
  await sql(subscriber, 'drop subscription moved')
  expect((await exportOf(subscriber)).stderr).not.toMatch(SAID)
})
