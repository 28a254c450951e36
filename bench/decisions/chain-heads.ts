import { Pool } from 'pg'
import type { PostgresServer } from '../../test/support/postgres/server.js'

const WRITERS = 64

/** Blocks a second of 64 writers that advance one head for all of them, and of 64 that have a head each. */
interface HeadRates {
  readonly one: number
  readonly each: number
}

/**
 * What a head for the whole trail would cost: its row lock is held until the commit is flushed, so all writers wait for
 * one flush after the other.
 */
export async function compareHeads(server: PostgresServer, seconds: number): Promise<HeadRates> {
  await server.query('create database heads')
  const pool = new Pool({ connectionString: server.url('heads'), max: WRITERS })
  try {
    await pool.query('create table head (chain int primary key, block bigint not null)')
    await pool.query('insert into head select n, 0 from generate_series(0, $1::int - 1) n', [WRITERS])
    await pool.query('create table block (chain int, block bigint, primary key (chain, block))')
    const one = await rate(pool, seconds, () => 0)
    const each = await rate(pool, seconds, (writer) => writer)
    return { one, each }
  } finally {
    await pool.end()
  }
}

async function rate(pool: Pool, seconds: number, chainOf: (writer: number) => number): Promise<number> {
  const end = performance.now() + seconds * 1000
  let blocks = 0
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const query = {
      name: 'advance',
      text: `with advanced as (update head set block = block + 1 where chain = $1 returning chain, block)
        insert into block select chain, block from advanced`,
      values: [chainOf(writer)],
    }
    while (performance.now() < end) {
      await pool.query(query)
      blocks++
    }
  })
  await Promise.all(writers)
  return blocks / seconds
}
