import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'

/** What the database says of a block. Only `verify` knows whether it is true. */
export interface StoredBlock {
  readonly log: string
  /** SHA-256 of the text of the block, lower-case hex. */
  readonly hash: string
}

export function storedBlock(columns: BlockColumns): StoredBlock {
  return { log: columns.log, hash: blockHash(textOfColumns(columns)).toString('hex') }
}
