import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAudit } from 'otel-audit'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { verifyReport } from './attack.js'
import { otelAudit } from './otel-audit.js'

// What the table "Rotating" of docs/operations.md says; passwords are in truth/passwords, tokens in truth/server.

const ORIGIN = 'otel-audit/rotating'

let database: TestDatabase
let directory: string

beforeAll(async () => {
  database = await migratedDatabase()
  directory = mkdtempSync(join(tmpdir(), 'rotating-'))
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await database.drop()
})

/** Another login for the service, as an owner makes it. @returns its URL */
async function login(name: string): Promise<string> {
  const { code, stderr } = await otelAudit(['migrate', '--login', name], { DATABASE_URL: database.url })
  expect([code, stderr]).toEqual([0, expect.any(String)])
  const url = new URL(database.url)
  url.username = name
  url.password = ''
  return url.href
}

test('a login: the service goes on with the next one, without a restart, and the old one can be dropped', async () => {
  const [old, next] = [`${database.name}_old`, `${database.name}_next`]
  const file = join(directory, 'url')
  writeFileSync(file, await login(old))
  const owner = await connect(database.url)
  onTestFinished(() => owner.end())
  const audit = createAudit({ databaseUrlFile: file, strict: true })
  onTestFinished(() => audit.close())
  await audit.start()
  const access = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const
  await audit.service.record(access)

  writeFileSync(file, await login(next))
  await owner.query('select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = $1', [old])
  await audit.service.record(access)
  const users = await owner.query<{ usename: string }>(
    'select distinct usename from pg_stat_activity where usename = any($1)',
    [[old, next]],
  )
  expect(users.rows).toEqual([{ usename: next }])
  await owner.query(`drop role ${old}`)
  await audit.service.record(access)
})

test('the enrolment key: chains of both are the operator’s while both lines are in the trust file', async () => {
  const own = await migratedDatabase()
  onTestFinished(() => own.drop())
  const trust = join(directory, 'audit.trust')
  const key = async (name: string): Promise<{ file: string; line: string }> => {
    const file = join(directory, name)
    const { code, stdout } = await otelAudit(['keys', 'create', '--origin', ORIGIN, '--out', file])
    expect(code).toBe(0)
    writeFileSync(trust, stdout, { flag: 'a' })
    return { file, line: stdout }
  }
  const write = async (enrolmentKeyFile: string): Promise<void> => {
    const sink = new PostgresAuditSink({ databaseUrl: own.url, origin: ORIGIN, enrolmentKeyFile })
    sink.attach({
      serviceName: 'w',
      serviceInstanceId: 'i',
      lost: 0,
      onBlock: () => {},
      onLostBlocks: () => {},
    })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    await sink.close()
  }
  const [old, next] = [await key('old.pem'), await key('new.pem')]
  await write(old.file)
  await write(next.file)
  const found = async (file: string): Promise<string[]> =>
    (await verifyReport(own.url, '--trust', file)).found.map(({ code }) => code)
  expect(await found(trust)).toEqual([])
  writeFileSync(trust, next.line)
  expect(await found(trust)).toEqual(['chain-unenrolled'])

  // It was stolen: what is there is pinned, and what begins with it from now on is found.
  const pinned = join(directory, 'next.trust')
  const { code } = await otelAudit(['trust', 'init', '--out', pinned], { DATABASE_URL: own.url })
  expect(code).toBe(0)
  writeFileSync(pinned, next.line, { flag: 'a' })
  await write(next.file)
  expect(await found(pinned)).toEqual([])
  await write(old.file)
  expect(await found(pinned)).toEqual(['chain-unenrolled'])
})
