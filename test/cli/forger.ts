import { blockHash, rowLeaf } from '../../src/chain/block.js'
import { type BlockColumns, textOfColumns } from '../../src/chain/block-columns.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { signatureLines } from '../../src/chain/note.js'
import type { NoteSigner } from '../../src/chain/note-key.js'
import type { CheckedRow } from '../../src/verify/source.js'
import { blockValues } from '../../src/postgres/block-row.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import type { Scene } from './attack.js'

export interface Forgery {
  readonly chain: string
  /** The first block that is made anew. */
  readonly from: number
  /** The last one. Default: all that follow are. */
  readonly to?: number
  readonly key: NoteSigner
  /** The id that the chain has afterwards. Default: the same. */
  readonly as?: string
}

/**
 * What somebody does who has a superuser's connection and a key: whatever he has changed in the rows becomes what the
 * blocks say, from the digests of the rows over roots and `prev` to the signatures.
 */
export async function rewrite(
  scene: Scene,
  { chain, from, to = Infinity, key, as = chain }: Forgery,
): Promise<void> {
  const { blocks, rows } = await readChain(scene.url, chain)
  await scene.client.query('begin')
  let prev: Uint8Array | undefined
  for (const old of blocks) {
    const number = Number(old.blockNo)
    const its = rows.filter(({ block }) => block === number)
    const isForged = number >= from && number <= to
    const columns = isForged ? forged(old, its, { as, key, prev }) : old
    prev = blockHash(textOfColumns(columns))
    if (isForged) await replace(scene, old, columns, its)
  }
  await scene.client.query('commit')
}

interface Means {
  readonly as: string
  readonly key: NoteSigner
  readonly prev: Uint8Array | undefined
}

function forged(old: BlockColumns, rows: readonly CheckedRow[], { as, key, prev }: Means): BlockColumns {
  const leaves = rows.map(({ computed }, index) => rowLeaf(as, Number(old.blockNo), index, computed))
  const columns: BlockColumns = {
    ...old,
    chainId: as,
    prevHash: prev ?? old.prevHash,
    root: merkleRoot(leaves),
    body: old.kind === 'genesis' ? old.body.replace(/^writer .*/, `writer ${key.verifierKey}`) : old.body,
  }
  return { ...columns, signatures: signatureLines(textOfColumns(columns), [key]) }
}

async function replace(
  { client }: Scene,
  { chainId, blockNo }: BlockColumns,
  columns: BlockColumns,
  rows: readonly CheckedRow[],
): Promise<void> {
  await client.query('delete from noetl.secret_audit_block where chain_id = $1 and block_no = $2', [
    chainId,
    blockNo,
  ])
  await client.query(
    `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,
       row_total, lost_total, block_time, body, signatures)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    blockValues(columns),
  )
  for (const { auditId, computed } of rows) {
    await client.query(
      'update noetl.secret_audit set event_digest = $1, chain_id = $2, recorded_xid = pg_current_xact_id()::text::bigint where audit_id = $3',
      [computed, columns.chainId, auditId],
    )
  }
}

async function readChain(url: string, chain: string) {
  const reader = await Snapshot.open({ databaseUrl: url, schema: 'noetl' })
  const selection = { chain, ids: undefined }
  try {
    const blocks: BlockColumns[] = []
    for await (const batch of reader.blocks(selection)) blocks.push(...batch)
    const rows: CheckedRow[] = []
    const all = { first: 0n, last: 2n ** 63n - 1n }
    for await (const batch of reader.rows(all, selection)) rows.push(...batch)
    return { blocks, rows }
  } finally {
    await reader.close()
  }
}
