import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'

/** What the database says of a block. Only `verify` knows whether it is true. */
export interface StoredBlock {
  readonly log: string
  /** SHA-256 of the text of the block, lower-case hex. */
  readonly hash: string
}

type Name =
  | 'chain_id'
  | 'block_no'
  | 'log'
  | 'kind'
  | 'prev_hash'
  | 'root'
  | 'row_count'
  | 'row_total'
  | 'lost_total'
  | 'block_time'
  | 'body'
  | 'signatures'

/** As `block.sql` has it: everything is text, bytes are hex. */
export type StoredBlockRow = Readonly<Record<Name, string>> & {
  readonly min_id: string | null
  readonly max_id: string | null
}

export function storedBlock(row: StoredBlockRow): StoredBlock {
  const columns: BlockColumns = {
    chainId: row.chain_id,
    blockNo: BigInt(row.block_no),
    log: row.log,
    kind: row.kind,
    prevHash: Buffer.from(row.prev_hash, 'hex'),
    minId: row.min_id === null ? null : BigInt(row.min_id),
    maxId: row.max_id === null ? null : BigInt(row.max_id),
    root: Buffer.from(row.root, 'hex'),
    rowCount: Number(row.row_count),
    rowTotal: BigInt(row.row_total),
    lostTotal: BigInt(row.lost_total),
    blockTime: BigInt(row.block_time),
    body: row.body,
    signatures: row.signatures,
  }
  return { log: row.log, hash: blockHash(textOfColumns(columns)).toString('hex') }
}
