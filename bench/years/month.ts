import type { Client } from 'pg'
import { FIELDS } from '../../src/event/fields.js'
import { blockAsSent, rowsArray, rowsOfArray } from '../../src/postgres/write/record-bytes.js'
import { CopyIn } from './copy-in.js'
import { CopyTuples } from './copy-tuples.js'
import type { WrittenBlock } from './writers.js'

/** Bytes of one message of a COPY. */
const CHUNK_BYTES = 128 * 1024
/** µs from the Unix epoch to that of Postgres, 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n
/** From when it happened to when the server had it, in µs. */
const RECORDED_AFTER_US = 2500n

const ROW_COLUMNS = [
  ...FIELDS.map(({ column }) => column),
  'event_digest, chain_id, block_no, block_index, recorded_at',
].join(', ')
const BLOCK_COLUMNS = `chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total,
  block_time, body, signatures`

const INDEXES = `
select index.relname as name, conname as constraint
from pg_index join pg_class index on index.oid = indexrelid
left join pg_constraint on conindid = indexrelid and contype = 'p'
where indrelid = $1::regclass`

interface Partition {
  readonly partition: string
  readonly from_id: string
  readonly to_id: string
}

/**
 * Fills the partition of one month, in one transaction. It is made anew and stands apart while the rows come, without
 * indexes, which are built at once when it is attached: a third of the time.
 *
 * @param month its first day
 */
export async function fillMonth(client: Client, month: Date, blocks: Iterable<WrittenBlock>): Promise<void> {
  await client.query('begin')
  const { partition, from_id, to_id } = await newPartition(client, month)
  const table = `noetl.${partition}`
  await client.query(`alter table noetl.secret_audit detach partition ${table}`)
  const { rows } = await client.query<{ name: string; constraint: string | null }>(INDEXES, [table])
  for (const { name, constraint } of rows) {
    await client.query(
      constraint === null ? `drop index noetl.${name}` : `alter table ${table} drop constraint ${constraint}`,
    )
  }
  await copyRows(client, table, blocks)
  await client.query(
    `alter table noetl.secret_audit attach partition ${table} for values from (${from_id}) to (${to_id})`,
  )
  await client.query('commit')
}

/** One that is there already was made for rows to come: it is empty. */
async function newPartition(client: Client, month: Date): Promise<Partition> {
  const first = month.toISOString().slice(0, 10)
  const of = `select partition, from_id, to_id from noetl.secret_audit_partitions()
    where from_id = noetl.secret_audit_month_start_id($1::timestamp)`
  const { rows: old } = await client.query<Partition>(of, [first])
  for (const { partition } of old) {
    await client.query(`alter table noetl.secret_audit detach partition noetl.${partition}`)
    await client.query(`drop table noetl.${partition}`)
  }
  await client.query('select noetl.secret_audit_create_partition($1::timestamp)', [first])
  const { rows } = await client.query<Partition>(of, [first])
  const [made] = rows
  if (made === undefined) throw new Error(`no partition was made for ${first}`)
  return made
}

/** Rows into the partition, and then their blocks: a client has one COPY at a time. */
async function copyRows(client: Client, table: string, blocks: Iterable<WrittenBlock>): Promise<void> {
  const copy = await CopyIn.begin(
    client,
    `copy ${table} (${ROW_COLUMNS}) from stdin with (format binary, freeze)`,
  )
  const tuples = new CopyTuples()
  const notes: Buffer[] = []
  for (const { columns, entries } of blocks) {
    notes.push(blockAsSent(columns))
    if (entries.length === 0) continue
    const records = rowsOfArray(rowsArray(columns, entries))
    let at = 0
    for (const { event } of entries) {
      const recorded = BigInt(event.occurredAt) - POSTGRES_EPOCH_US + RECORDED_AFTER_US
      at = tuples.add(records, at + Int32Array.BYTES_PER_ELEMENT, recorded)
    }
    if (tuples.length >= CHUNK_BYTES) await copy.write(tuples.take())
  }
  await copy.write(tuples.take())
  await copy.end()
  const copyBlocks = await CopyIn.begin(
    client,
    `copy noetl.secret_audit_block (${BLOCK_COLUMNS}) from stdin with (format binary)`,
  )
  for (const note of notes) {
    tuples.add(note, 0)
    if (tuples.length >= CHUNK_BYTES) await copyBlocks.write(tuples.take())
  }
  await copyBlocks.write(tuples.take())
  await copyBlocks.end()
}
