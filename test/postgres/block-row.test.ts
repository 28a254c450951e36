import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PostgresAuditSink } from 'otel-audit'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BlockColumns } from '../../src/chain/block-columns.js'
import { BLOCK_COLUMNS, blockOfRow, blockSelect } from '../../src/postgres/block-row.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import { openSession } from '../../src/postgres/session.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'

const COLUMNS = blockSelect('block').replaceAll('block.', '')
const SOURCE = join(import.meta.dirname, '../../src')

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

async function asText(): Promise<BlockColumns[]> {
  const target = { databaseUrl: database.url, applicationName: 'block-row', answerTimeoutMs: 5000 }
  const session = await openSession('query', target)
  const text = `select ${blockSelect('block')} from noetl.secret_audit_block as block order by chain_id, block_no`
  const { rows } = await session.run((client) => client.query<unknown[]>({ text, rowMode: 'array' }))
  await session.close()
  return rows.map((row) => blockOfRow(['something before', ...row], 1))
}

async function asCopied(): Promise<BlockColumns[]> {
  const snapshot = await Snapshot.open({ databaseUrl: database.url, schema: 'noetl' })
  const blocks: BlockColumns[] = []
  for await (const batch of snapshot.blocks({ chain: undefined, ids: undefined })) blocks.push(...batch)
  await snapshot.close()
  return blocks
}

test('a block is the same, read as text and by COPY', async () => {
  const sink = new PostgresAuditSink({ databaseUrl: database.url })
  await sink.write(batchOf(anEvent(), anEvent()))
  await sink.close()
  const blocks = await asCopied()
  expect(blocks.map(({ kind }) => kind)).toEqual(['genesis', 'data', 'close'])
  expect(await asText()).toEqual(blocks)
})

test('a block of an attacker’s, with NULL wherever it can be, is read as nothing, in both', async () => {
  const all = COLUMNS.split(', ').filter((column) => column !== 'chain_id' && column !== 'block_no')
  await owner.query('alter table noetl.secret_audit_block disable trigger all')
  await owner.query('truncate noetl.secret_audit_block')
  for (const column of all) {
    await owner.query(`alter table noetl.secret_audit_block alter column ${column} drop not null`)
  }
  await owner.query(
    `insert into noetl.secret_audit_block (chain_id, block_no) values ('00000000-0000-0000-0000-0000000000ff', 7)`,
  )
  const nothing = Buffer.alloc(0)
  const expected: BlockColumns = {
    chainId: '000000000000000000000000000000ff',
    blockNo: 7n,
    log: '',
    kind: '',
    prevHash: nothing,
    minId: null,
    maxId: null,
    root: nothing,
    rowCount: -1,
    rowTotal: -1n,
    lostTotal: -1n,
    blockTime: -1n,
    body: '',
    signatures: '',
  }
  expect(await asText()).toEqual([expected])
  expect(await asCopied()).toEqual([expected])
})

test('statements that insert a block name its columns in this order', () => {
  const write = join(SOURCE, 'postgres/write')
  const lists = readdirSync(write)
    .filter((file) => file.endsWith('.sql'))
    .map((file) =>
      /insert into :SCHEMA\.secret_audit_block \(([^)]*)\)/.exec(readFileSync(join(write, file), 'utf8')),
    )
    .flatMap((found) => (found === null ? [] : [found[1]?.trim().replaceAll(/\s+/g, ' ')]))
  expect(lists).toEqual([COLUMNS, COLUMNS])
  expect(COLUMNS.split(', ')).toHaveLength(BLOCK_COLUMNS)
})

test('no statement spells out what is read of a block', () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.sql') && !file.includes('migrations'),
  )
  const spelling = files.filter((file) =>
    /\bselect\s[^;]*\bprev_hash\b/i.test(readFileSync(join(SOURCE, file), 'utf8')),
  )
  expect(spelling).toEqual([])
})
