import { afterAll, beforeAll, expect, test } from 'vitest'
import { diagnoseStore } from '../../src/postgres/diagnose.js'
import { openSession } from '../../src/postgres/session.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { writerLogin } from '../support/pipeline.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.drop())

test.each([
  ['max_stack_depth', '2147483647'],
  ['work_mem', '1'],
  ['DateStyle', 'nonsense'],
  ['vacuum_cost_delay', 'x'],
  ['client_min_messages', 'whisper'],
])('a value that the server does not take is refused by its name: %s = %s', async (name, value) => {
  const url = new URL(database.url)
  url.searchParams.set('options', `-c ${name}=${value}`)
  for (const purpose of ['write', 'query', 'verify', 'migrate'] as const) {
    const opened = openSession(purpose, {
      databaseUrl: url.href,
      applicationName: `refused ${purpose}`,
      answerTimeoutMs: 5000,
      synchronousCommit: 'on',
      readOnly: false,
    })
    await expect(opened).rejects.toMatchObject({
      code: 'AUDIT_SESSION',
      field: name,
      message: expect.stringContaining(name),
      remedy: expect.stringContaining('PGOPTIONS'),
    })
  }
})

test('endless costs of the planner change nothing', async () => {
  const owner = await connect(database.url)
  const login = await writerLogin(database.url)
  for (const cost of ['cpu_tuple_cost', 'cpu_index_tuple_cost', 'cpu_operator_cost']) {
    await owner.query(`alter role ${new URL(login.url).username} set ${cost} = 1.79769e308`)
  }
  const sink = new PostgresAuditSink({ databaseUrl: login.url })
  expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
  await sink.close()
  const found = await diagnoseStore({
    databaseUrl: login.url,
    schema: 'noetl',
    applicationName: 'endless costs',
    answerTimeoutMs: 5000,
    synchronousCommit: 'on',
  })
  expect(found.filter(({ state }) => state === 'broken')).toEqual([])
  await login.drop()
  await owner.end()
})
