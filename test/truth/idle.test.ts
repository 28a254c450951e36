import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { anEvent, batchOf } from '../support/events.js'
import { type PostgresServer, startPostgres } from '../support/postgres/server.js'
import { waitUntil } from '../support/wait-until.js'

// A process that was idle while its database went away is alive, and says so when it is back.

let server: PostgresServer
let sink: PostgresAuditSink

beforeEach(async () => {
  server = await startPostgres()
  await migrate({ databaseUrl: server.url() })
  sink = new PostgresAuditSink({ databaseUrl: server.url(), idleAfterMs: 400, answerTimeoutMs: 2000 })
})

afterEach(async () => {
  server.resume()
  await sink.close()
  await server.close()
})

const kinds = async (): Promise<string[]> =>
  (
    await server.query<{ kind: string }>('select kind from noetl.secret_audit_block order by block_no')
  ).rows.map(({ kind }) => kind)

const ways: readonly [string, () => Promise<unknown>][] = [
  ['restarted', () => server.restart()],
  ['crashed', () => server.kill().then(() => server.start())],
  [
    'was stopped for longer than an idle time',
    async () => {
      await server.stop()
      await new Promise((resolve) => setTimeout(resolve, 1200))
      await server.start()
    },
  ],
  [
    'ended the session',
    () =>
      server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'otel-audit%' and pid <> pg_backend_pid()`,
      ),
  ],
]

test.each(ways)('the database %s', async (_, goesAway) => {
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
  await goesAway()
  await waitUntil('the idle block', async () => (await kinds()).includes('idle'))
  expect(await kinds()).toEqual(['genesis', 'data', 'idle'])
})
