import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { fakeTimeouts } from '../support/fake-timers.js'
import { type Connection, NoAnswer } from '../../src/postgres/connection.js'
import { openSession, type SessionOptions } from '../../src/postgres/session.js'
import { connect, emptyDatabase, type TestDatabase } from '../support/database.js'
import { waitUntil } from '../support/wait-until.js'

let database: TestDatabase

/** What somebody has set for the whole database, and our sessions must not have. */
const HOSTILE: Readonly<Record<string, string>> = {
  synchronous_commit: 'off',
  statement_timeout: '7s',
  lock_timeout: '7s',
  idle_in_transaction_session_timeout: '7s',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  client_min_messages: 'error',
  bytea_output: 'escape',
  search_path: 'mallory',
  timezone: 'Asia/Tokyo',
}

beforeAll(async () => {
  database = await emptyDatabase()
  const owner = await connect(database.url)
  for (const [name, value] of Object.entries(HOSTILE)) {
    await owner.query(`alter database ${database.name} set ${name} = '${value}'`)
  }
  await owner.end()
})

afterAll(() => database.drop())

type Purpose = keyof SessionOptions
const target = (purpose: Purpose, databaseUrl: string): SessionOptions[Purpose] => ({
  databaseUrl,
  applicationName: `otel-audit ${purpose}`,
  answerTimeoutMs: 1000,
  synchronousCommit: 'remote_apply',
  readOnly: false,
})
const open = (purpose: Purpose, databaseUrl = database.url, more = {}): Promise<Connection> =>
  openSession(purpose, { ...target(purpose, databaseUrl), ...more })

async function settingsOf(session: Connection): Promise<Readonly<Record<string, string>>> {
  const names = [...Object.keys(HOSTILE), 'client_encoding', 'application_name']
  const { rows } = await session.run((client) =>
    client.query('select name, setting from pg_catalog.pg_settings where lower(name) = any ($1)', [names]),
  )
  await session.close()
  return Object.fromEntries(rows.map(({ name, setting }) => [name.toLowerCase(), setting]))
}

describe('what a role or a database says decides nothing', () => {
  const everywhere = { client_encoding: 'UTF8', bytea_output: 'hex' }

  test('of a session that writes', async () => {
    expect(await settingsOf(await open('write'))).toMatchObject({
      ...everywhere,
      application_name: 'otel-audit write',
      synchronous_commit: 'remote_apply',
      statement_timeout: '800',
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: 'off',
      timezone: 'UTC',
    })
  })

  test('of a session that reads for people', async () => {
    expect(await settingsOf(await open('query'))).toMatchObject({
      ...everywhere,
      synchronous_commit: 'on',
      statement_timeout: '800',
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: 'on',
      timezone: 'UTC',
    })
  })

  test('of a session that verifies', async () => {
    expect(await settingsOf(await open('verify'))).toMatchObject({
      ...everywhere,
      statement_timeout: '0',
      idle_in_transaction_session_timeout: '0',
    })
  })

  test.each([
    [false, 'off'],
    [true, 'on'],
  ])('of a session that migrates; read only: %j', async (readOnly, expected) => {
    expect(await settingsOf(await open('migrate', database.url, { readOnly }))).toMatchObject({
      ...everywhere,
      search_path: 'pg_catalog, pg_temp',
      statement_timeout: '0',
      lock_timeout: '0',
      idle_in_transaction_session_timeout: '0',
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: expected,
      client_min_messages: 'warning',
    })
  })
})

const PURPOSES = ['write', 'query', 'verify', 'migrate'] as const

test.each(PURPOSES)('%s: a URL that is not one is refused, and not quoted', async (purpose) => {
  const error = await open(purpose, 'postgres://u:canary-9d1e@[/x').catch((error: unknown) => error)
  expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'databaseUrl' })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary-9d1e')
})

test('one that is not wanted any more before it begins is not begun', async () => {
  const reason = new Error('closed')
  const opening = openSession('verify', target('verify', database.url), AbortSignal.abort(reason))
  await expect(opening).rejects.toBe(reason)
})

describe('a server that accepts, and never answers', () => {
  let silent: Server
  const sockets: Socket[] = []

  beforeAll(async () => {
    silent = createServer((socket) => {
      socket.on('error', () => {}).resume()
      sockets.push(socket)
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
  })

  afterAll(() => silent.close())
  afterEach(() => void vi.useRealTimers())

  test.each(PURPOSES)('%s: is given up', async (purpose) => {
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const before = sockets.length
    const putBack = fakeTimeouts()
    const opening = open(purpose, `postgres://u@127.0.0.1:${address.port}/x`)
    const refused = expect(opening).rejects.toThrow(NoAnswer)
    while (sockets.length === before) await new Promise(setImmediate)
    await vi.advanceTimersByTimeAsync(10_000)
    await refused
    putBack()
    await waitUntil('the socket to be closed', () => sockets.every((socket) => socket.closed))
  })
})
