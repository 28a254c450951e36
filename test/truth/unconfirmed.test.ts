import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'
import { TrailServer } from '../support/trail-server.js'

// The only sign of a commit that no standby has confirmed is a warning, and which warnings are sent is a setting.

let trails: TrailServer
let tests = 0

beforeAll(async () => {
  trails = await TrailServer.start()
})

afterAll(() => trails.close())
afterEach(() => void delete process.env['PGOPTIONS'])

test.each<[string, (role: string, database: string) => string]>([
  ['the role', (role) => `alter role ${role} set client_min_messages = 'error'`],
  ['the database', (_, database) => `alter database ${database} set client_min_messages = 'error'`],
  ['the environment', () => 'select 1'],
])(
  'a commit whose wait was cancelled is unknown, though %s says that warnings are not sent',
  async (who, sql) => {
    const url = await trails.trail()
    const login = await writerLogin(url)
    const owner = await connect(url)
    await owner.query(sql(new URL(login.url).username, new URL(url).pathname.slice(1)))
    await owner.end()
    if (who === 'the environment') process.env['PGOPTIONS'] = '-c client_min_messages=error'
    const applicationName = `unconfirmed ${++tests}`
    const sink = new PostgresAuditSink({ databaseUrl: login.url, answerTimeoutMs: 60_000, applicationName })
    expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
    const letGo = await trails.holdCommits()
    const writing = sink.write(batchOf(anEvent()))
    const { pid } = await trails.waiting(applicationName, 'SyncRep')
    await trails.server.query('select pg_cancel_backend($1)', [pid])
    expect(await writing).toMatchObject({ status: 'unknown', fault: { code: 'AUDIT_UNCONFIRMED' } })
    await letGo()
    await sink.close()
    await login.drop()
  },
)
