import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { openPipeline, type TestPipeline, writerLogin } from '../support/pipeline.js'

// What another login of the writer role leaves in an open transaction is in the way of what it names, and of nothing else.

let database: TestDatabase
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>
let holder: Client
let pipeline: TestPipeline

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  writer = await writerLogin(database.url)
  holder = await connect(writer.url)
  pipeline = openPipeline(writer.url, { answerTimeoutMs: 1500 })
})

afterEach(async () => {
  await holder.end()
  await pipeline.finish(database.url)
  await writer.drop()
  await owner.end()
  await database.drop()
})

const chains = async (): Promise<number> => {
  const { rows } = await owner.query<{ count: number }>(
    'select count(distinct chain_id)::int as count from noetl.secret_audit_block',
  )
  return rows[0]?.count ?? 0
}

/** Its next block, and the one after it. */
async function holdNextBlock(): Promise<void> {
  await holder.query(`begin`)
  await holder.query(`
    insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, root, row_count, row_total, lost_total,
      block_time, body, signatures)
    select chain_id, max(block_no) + n, 'x', 'data', '', '', 0, 0, 0, 0, '', ''
    from noetl.secret_audit_block, generate_series(1, 2) as n group by chain_id, n`)
}

describe('a transaction that somebody leaves open', () => {
  test('with the next block of our chain: the chain is left, and nothing waits for its end', async () => {
    expect(await pipeline.ledger.strict().answer).toHaveProperty('committedAt')
    await holdNextBlock()
    expect(await pipeline.ledger.strict({}, 30_000).answer).toHaveProperty('committedAt')
    expect(await pipeline.ledger.strict({}, 30_000).answer).toHaveProperty('committedAt')
    expect(await chains()).toBe(2)
    await holder.query('rollback')
  })

  test('with the next block of our chain, of a writer that only says that it is idle', async () => {
    const sink = new PostgresAuditSink({ databaseUrl: writer.url, answerTimeoutMs: 1500, idleAfterMs: 50 })
    const first = anEvent()
    pipeline.ledger.expectStranger(first)
    await sink.write(batchOf(first))
    await holdNextBlock()
    const event = anEvent()
    pipeline.ledger.expectStranger(event)
    await expect
      .poll(async () => (await sink.write(batchOf(event))).status, { timeout: 30_000 })
      .toBe('committed')
    await holder.query('rollback')
    await sink.close()
  })

  test('with the id of a row: it is known not to be stored, why, and it is stored once that ends', async () => {
    const event = anEvent()
    pipeline.ledger.expectStranger(event)
    await holder.query('begin')
    await holder.query(
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (${event.auditId}, 'c', 'o', 'ok')`,
    )
    const sink = new PostgresAuditSink({ databaseUrl: writer.url, answerTimeoutMs: 1500 })
    const result = await sink.write(batchOf(event))
    expect(result).toMatchObject({
      status: 'failed',
      lasting: false,
      fault: { code: 'AUDIT_UNAVAILABLE', message: expect.stringContaining('55P03') },
    })
    await holder.query('rollback')
    expect(await sink.write(batchOf(event))).toMatchObject({ status: 'committed' })
    await sink.close()
  })

  test('with a lock on the table: as above, and the chain goes on', async () => {
    expect(await pipeline.ledger.strict().answer).toHaveProperty('committedAt')
    for (const table of ['secret_audit', 'secret_audit_block']) {
      await owner.query(`begin; lock table noetl.${table} in access exclusive mode`)
      const refused = await pipeline.ledger.strict({ outcome: 'ok' }, 1000).answer
      expect(refused).toMatchObject({ code: 'AUDIT_TIMEOUT' })
      const told = (): string => {
        const result = pipeline.watched.writes.at(-1)?.result
        return result !== undefined && 'fault' in result ? result.fault.message : ''
      }
      await expect.poll(told, { timeout: 30_000 }).toContain('55P03')
      await owner.query('rollback')
      expect(await pipeline.ledger.strict({}, 30_000).answer).toHaveProperty('committedAt')
    }
    expect(await chains()).toBe(1)
  })
})
