import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from 'pg'
import { enrolmentKeyName } from '../../src/chain/chain-key.js'
import { NoteSigner, VerifierKey } from '../../src/chain/note-key.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { type Columns, provenRows, SELECT_BLOCKS, SELECT_ROWS } from '../chain/second-reader.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { verifiedTrail } from '../support/verified.js'

// Rows and blocks that an older version has written (the file beside this one; commit d1401fc, of 2026-11-29) and those of this
// one, in one table. The file has both tables as the SELECTs of docs/integrity.md give them, and what an auditor knew.

interface Before {
  readonly origin: string
  readonly verifierKey: string
  readonly trail: string
}

const [HEAD = '', ...LINES] = readFileSync(join(import.meta.dirname, 'written-before.ndjson'), 'utf8')
  .split('\n')
  .filter(Boolean)
const BEFORE = JSON.parse(HEAD) as Before
const parsed = LINES.map((line) => JSON.parse(line) as { readonly block?: Columns; readonly row?: Columns })
const OLD_BLOCKS = parsed.flatMap(({ block }): Columns[] => (block === undefined ? [] : [block]))
const OLD_ROWS = parsed.flatMap(({ row }): Columns[] => (row === undefined ? [] : [row]))

const HEX = new Set(['prev_hash', 'root', 'event_digest'])

async function insert(owner: Client, table: string, columns: Columns): Promise<void> {
  const names = Object.keys(columns)
  const values = names.map((name, i) => {
    if (HEX.has(name)) return `decode($${i + 1}, 'hex')`
    return name === 'occurred_at'
      ? `'epoch'::timestamptz + $${i + 1} * interval '1 microsecond'`
      : `$${i + 1}`
  })
  const sql = `insert into noetl.${table} (${names.join(', ')}) values (${values.join(', ')})`
  await owner.query(sql, Object.values(columns))
}

let database: TestDatabase
let owner: Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  await owner.query('update noetl.secret_audit_trail set trail = $1', [BEFORE.trail])
  const ids = OLD_ROWS.map((row) => BigInt(row['audit_id'] ?? 0))
  const [first, last] = [ids[0] ?? 0n, ids.at(-1) ?? 0n]
  // Their month may be long past.
  await owner
    .query(
      `create table noetl.secret_audit_before partition of noetl.secret_audit for values from (${first}) to (${last + 1n})`,
    )
    .catch((error: { code?: string }) => expect(error.code).toBe('42P17'))
  for (const block of OLD_BLOCKS) await insert(owner, 'secret_audit_block', block)
  for (const row of OLD_ROWS) await insert(owner, 'secret_audit', row)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

test('what an older version wrote is verified beside what this one writes, also by a second reader', async () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const operator = new NoteSigner(enrolmentKeyName(BEFORE.origin), privateKey)
  const sink = new PostgresAuditSink({
    databaseUrl: database.url,
    origin: BEFORE.origin,
    trail: BEFORE.trail,
    enrolmentKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  })
  const attributesJson = '{ "a" : 1,\t"ü": "😀" }'
  const fields = { credential: 'küche', executionId: -2n, notes: '', actorType: 'user' as const }
  const events = [1, 2, 70].map((size) =>
    Array.from({ length: size }, (_, i) => ({ ...anEvent(i % 2 === 0 ? fields : {}), attributesJson })),
  )
  for (const batch of events)
    expect(await sink.write(batchOf(...batch))).toMatchObject({ status: 'committed' })
  await sink.close()
  const written = events.flat().length

  const trust = {
    origin: BEFORE.origin,
    enrolment: [VerifierKey.parse(BEFORE.verifierKey), operator.key],
    trails: [BEFORE.trail],
    unsigned: 'none' as const,
  }
  const { found, rows, chains, foreign } = await verifiedTrail(database.url, trust)
  expect(found).toEqual([])
  expect(rows).toMatchObject({ proven: OLD_ROWS.length + written, unsigned: 0 })
  expect([foreign, chains.length]).toEqual([0, new Set(OLD_BLOCKS.map((b) => b['chain_id'])).size + 1])

  const withoutNulls = (row: object): Columns =>
    Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))
  const blocksNow = (await owner.query(SELECT_BLOCKS)).rows.map(withoutNulls)
  const rowsNow = (await owner.query(SELECT_ROWS)).rows.map(withoutNulls)
  const isOld = new Set(OLD_BLOCKS.map((b) => b['chain_id']))
  const split = (old: boolean, all: readonly Columns[]): Columns[] =>
    all.filter((columns) => isOld.has(columns['chain_id']) === old)
  expect(provenRows(split(true, blocksNow), split(true, rowsNow), BEFORE.verifierKey)).toBe(OLD_ROWS.length)
  expect(provenRows(split(false, blocksNow), split(false, rowsNow), operator.verifierKey)).toBe(written)
  expect(split(true, rowsNow)).toEqual(OLD_ROWS)
})
