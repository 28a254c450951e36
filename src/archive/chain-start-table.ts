import type { ClientBase } from 'pg'
import { JSON } from '../host/globals.js'
import { quotedSchema } from '../postgres/schema-name.js'
import type { ChainStart } from '../verify/chain-start.js'

/** Writes where chains begin, over what was there of them. */
export async function writeStarts(
  client: ClientBase,
  schema: string,
  starts: readonly ChainStart[],
): Promise<void> {
  const rows = starts.map(({ chain, block, hash, keyBlock, keyHash, rows, lost, time, lastId }) => ({
    chain,
    block: String(block),
    hash: Buffer.from(hash).toString('hex'),
    key_block: String(keyBlock),
    key_hash: Buffer.from(keyHash).toString('hex'),
    rows: String(rows),
    lost: String(lost),
    time: String(time),
    last_id: lastId === undefined ? null : String(lastId),
  }))
  await client.query(
    `insert into ${quotedSchema(schema)}.secret_audit_chain_start
       (chain_id, block_no, block_hash, key_block, key_hash, row_total, lost_total, block_time, last_id)
     select chain, block, decode(hash, 'hex'), key_block, decode(key_hash, 'hex'), rows, lost, time, last_id
     from json_to_recordset($1) as start (chain uuid, block bigint, hash text, key_block bigint, key_hash text, rows bigint,
       lost bigint, time bigint, last_id bigint)
     on conflict (chain_id) do update set block_no = excluded.block_no, block_hash = excluded.block_hash,
       key_block = excluded.key_block, key_hash = excluded.key_hash, row_total = excluded.row_total,
       lost_total = excluded.lost_total, block_time = excluded.block_time, last_id = excluded.last_id`,
    [JSON.stringify(rows)],
  )
}

/** Where chains begin, in ascending order of chains. */
export async function readStartTable(client: ClientBase, schema: string): Promise<readonly ChainStart[]> {
  const { rows } = await client.query<Readonly<Record<string, string>> & { last_id: string | null }>(
    `select replace(chain_id::text, '-', '') as chain, block_no::text as block, encode(block_hash, 'hex') as hash,
       key_block::text, encode(key_hash, 'hex') as key_hash, row_total::text as rows, lost_total::text as lost,
       block_time::text as time, last_id::text
     from ${quotedSchema(schema)}.secret_audit_chain_start order by chain_id`,
  )
  return rows.map((row) => ({
    chain: row['chain'] ?? '',
    block: Number(row['block']),
    hash: Buffer.from(row['hash'] ?? '', 'hex'),
    keyBlock: Number(row['key_block']),
    keyHash: Buffer.from(row['key_hash'] ?? '', 'hex'),
    rows: Number(row['rows']),
    lost: Number(row['lost']),
    time: Number(row['time']),
    lastId: row.last_id === null ? undefined : BigInt(row.last_id),
  }))
}

/** Chains that still have blocks which are not needed since they begin later. */
export async function chainsToShorten(client: ClientBase, schema: string): Promise<readonly string[]> {
  const own = quotedSchema(schema)
  const { rows } = await client.query<{ chain: string }>(
    `select chain_id::text as chain from ${own}.secret_audit_chain_start start where exists (
       select from ${own}.secret_audit_block block where block.chain_id = start.chain_id
         and block.block_no <= start.block_no and block.kind not in ('genesis', 'rotate'))
     order by chain_id`,
  )
  return rows.map(({ chain }) => chain)
}

/** Removes some of them, in a transaction. @returns how many */
export async function shorten(
  client: ClientBase,
  schema: string,
  chain: string,
  most: number,
): Promise<number> {
  const own = quotedSchema(schema)
  // Without this the table refuses it, as it refuses any change.
  await client.query(`select set_config('otel_audit.retired_blocks', 'on', true)`)
  const { rows } = await client.query<{ blocks: string }>(
    `with gone as (
       delete from ${own}.secret_audit_block where chain_id = $1::uuid and block_no in (
         select block_no from ${own}.secret_audit_block block
         where chain_id = $1::uuid and kind not in ('genesis', 'rotate') and block_no <= (
           select start.block_no from ${own}.secret_audit_chain_start start where start.chain_id = $1::uuid)
         order by block_no limit $2::int)
       returning block_no
     ) select count(*)::text as blocks from gone`,
    [chain, most],
  )
  return Number(rows[0]?.blocks)
}
