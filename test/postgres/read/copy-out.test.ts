import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Connection, NoAnswer } from '../../../src/postgres/connection.js'
import { copyOut } from '../../../src/postgres/read/copy-out.js'
import { openSession } from '../../../src/postgres/session.js'
import { emptyDatabase, type TestDatabase } from '../../support/database.js'
import { waitUntil } from '../../support/wait-until.js'

let database: TestDatabase

beforeAll(async () => {
  database = await emptyDatabase()
})

afterAll(() => database.drop())

const open = (): Promise<Connection> =>
  openSession('verify', { databaseUrl: database.url, applicationName: 'copy-out' })
const asInteger = (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 4)

async function read(session: Connection, query: string, longestSilenceMs?: number): Promise<number[]> {
  const found: number[] = []
  const sql = `copy (${query}) to stdout (format binary)`
  for await (const batch of copyOut(session, sql, asInteger, longestSilenceMs)) found.push(...batch)
  return found
}

test('gives every tuple, and the connection is as good as before', async () => {
  const session = await open()
  const all = Array.from({ length: 12_345 }, (_, i) => i + 1)
  expect(await read(session, 'select i from generate_series(1, 12345) as i')).toEqual(all)
  expect(await read(session, 'select 7')).toEqual([7])
  expect(session.isBroken).toBe(false)
  await session.close()
})

test('a server that falls silent in the middle is given up, and its connection with it', async () => {
  const session = await open()
  const silent = 'select i from generate_series(1, 3000) as i where i < 3000 or pg_sleep(60) is not null'
  await expect(read(session, silent, 50)).rejects.toThrow(NoAnswer)
  await waitUntil('the end of the connection', () => session.isBroken)
})

test('one that sends now and then is waited for', async () => {
  const session = await open()
  // Wide: the server sends when 8 kB have come together.
  const slow = `select i, repeat('x', 10000) from generate_series(1, 7) as i where pg_sleep(0.3) is not null`
  expect(await read(session, slow, 1500)).toHaveLength(7)
  await session.close()
})

test('who stops before the end breaks the connection', async () => {
  const session = await open()
  const sql = 'copy (select i from generate_series(1, 1000000) as i) to stdout (format binary)'
  for await (const batch of copyOut(session, sql, asInteger)) {
    expect(batch.length).toBeGreaterThan(0)
    break
  }
  await waitUntil('the end of the connection', () => session.isBroken)
})

/** Longer than the server waits for a client of another kind that takes nothing: 10 s, and a last probe of the window. */
const LONG_PAUSE_MS = 30_000

test('who reads slower than the server sends is waited for', async () => {
  const session = await open()
  const rows = 30_000
  const sql = `copy (select i, repeat('x', 2000) from generate_series(1, ${rows}) as i) to stdout (format binary)`
  let count = 0
  for await (const batch of copyOut(session, sql, asInteger)) {
    if (count === 0) await sleep(LONG_PAUSE_MS)
    count += batch.length
  }
  expect(count).toBe(rows)
  await session.close()
})
