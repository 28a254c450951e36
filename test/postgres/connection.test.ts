import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { trace } from '@opentelemetry/api'
import { NodeSDK } from '@opentelemetry/sdk-node'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Connection, NoAnswer } from '../../src/postgres/connection.js'
import { openSession, type WriteSession } from '../../src/postgres/session.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { waitUntil } from '../support/wait-until.js'

let database: TestDatabase
let options: WriteSession

beforeAll(async () => {
  database = await migratedDatabase()
  options = {
    databaseUrl: database.url,
    synchronousCommit: 'on',
    answerTimeoutMs: 5000,
    applicationName: 'otel-audit connection',
  }
})

afterAll(() => database.drop())

const one = (connection: Connection): Promise<unknown> =>
  connection.run(async (client) => (await client.query('select 1 as one')).rows[0].one)

async function sessions(): Promise<number> {
  const observer = await connect(database.url)
  const sql = 'select count(*)::int as n from pg_stat_activity where application_name = $1'
  const { rows } = await observer.query(sql, [options.applicationName])
  await observer.end()
  return rows[0].n
}

test('collects warnings, not notices, until they are taken', async () => {
  const connection = await openSession('write', options)
  connection.takeWarnings()
  await connection.run((client) =>
    client.query(`do $$ begin raise notice 'a'; raise warning 'b'; raise info 'c'; end $$`),
  )
  const [warning, ...more] = connection.takeWarnings()
  expect(warning).toMatchObject({ code: '01000', message: 'b' })
  expect(more).toEqual([])
  expect(connection.takeWarnings()).toEqual([])
  await connection.close()
})

describe('an end', () => {
  test('by close: the session ends, and it is of no more use', async () => {
    const connection = await openSession('write', options)
    expect(await one(connection)).toBe(1)
    await connection.close()
    expect(connection.isBroken).toBe(true)
    await expect(one(connection)).rejects.toThrow('closed')
    await waitUntil('its end', async () => (await sessions()) === 0)
    await connection.close()
  })

  test('by destroy, in the middle of a statement: that fails at once', async () => {
    const connection = await openSession('write', options)
    const work = connection.run((client) => client.query('select pg_sleep(4)'))
    connection.destroy()
    await expect(work).rejects.toThrow()
    expect(connection.isBroken).toBe(true)
    await waitUntil('its end', async () => (await sessions()) === 0)
  })

  test('by the server, while it is idle: it is noticed', async () => {
    const connection = await openSession('write', options)
    const pid = await connection.run(
      async (client) => (await client.query('select pg_backend_pid() as pid')).rows[0].pid,
    )
    const owner = await connect(database.url)
    await owner.query('select pg_terminate_backend($1, 10000)', [pid])
    await owner.end()
    await waitUntil('the end to be noticed', () => connection.isBroken)
    await expect(one(connection)).rejects.toThrow()
  })
})

describe('a server that accepts, and never answers', () => {
  let silent: Server
  let sockets: Socket[]
  let url: string

  beforeAll(async () => {
    sockets = []
    silent = createServer((socket) => {
      socket.on('error', () => {}).resume()
      sockets.push(socket)
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    url = `postgres://somebody:canary-7d20@127.0.0.1:${address.port}/somewhere`
  })

  afterAll(() => silent.close())

  test('is given up after the answer time, and its socket with it', async () => {
    const opening = openSession('write', { ...options, databaseUrl: url, answerTimeoutMs: 100 })
    await expect(opening).rejects.toThrow(NoAnswer)
    await expect(opening).rejects.not.toThrow(/canary/)
    await waitUntil(
      'the socket to be closed',
      () => sockets.length === 1 && sockets.every((socket) => socket.closed),
    )
  })

  test('need not be waited for when there is no more need', async () => {
    const noNeed = new AbortController()
    const patient = { ...options, databaseUrl: url, answerTimeoutMs: 600_000 }
    const opening = openSession('write', patient, noNeed.signal)
    await waitUntil('the connection', () => sockets.length === 2)
    noNeed.abort()
    await expect(opening).rejects.toThrow()
    await waitUntil('the socket to be closed', () => sockets.every((socket) => socket.closed))
  })
})

test('is not traced, whatever instruments pg', async () => {
  const exporter = new InMemorySpanExporter()
  const sdk = new NodeSDK({ spanProcessors: [new SimpleSpanProcessor(exporter)], instrumentations: [] })
  sdk.start()
  const connection = await openSession('write', options)
  await connection.run(async (client) => {
    await client.query('select 1')
    trace.getTracer('pg').startSpan('pg.query').end()
  })
  trace.getTracer('pg').startSpan('the application’s').end()
  await connection.close()
  expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['the application’s'])
  await sdk.shutdown()
})
