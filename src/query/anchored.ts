import { AuditError } from '../errors.js'
import { type Block, blockHash } from '../chain/block.js'
import { textOfColumns } from '../chain/block-columns.js'
import { parseBlock } from '../chain/block-parse.js'
import { sameBytes } from '../chain/hash.js'
import type { Snapshot } from '../postgres/read/snapshot.js'
import type { Trust } from '../verify/trust.js'

/** Blocks that are read for one row. A chain that was pinned later than that is for `otel-audit verify`. */
const MOST_BLOCKS = 10_000

/**
 * Whether a trust file, which is kept outside of the database, names this block or a later one of its chain: each block has
 * the hash of the one before it, so the named one stands for all before.
 *
 * @param note of the proven block
 * @throws AuditError `AUDIT_EVIDENCE_REFUTED` when the blocks from this one on do not lead to the one that is named
 */
export async function isAnchored(reader: Snapshot, proven: Block, { heads = [] }: Trust): Promise<boolean> {
  const [head] = heads
    .filter(({ chain, block }) => chain === proven.chain && block >= proven.number)
    .sort((a, b) => a.block - b.block)
  if (head === undefined || head.block - proven.number >= MOST_BLOCKS) return false
  let next = proven.number
  let hash: Uint8Array | undefined
  for await (const batch of reader.blocksBetween(proven.chain, proven.number, head.block)) {
    for (const columns of batch) {
      const text = textOfColumns(columns)
      const { number, prev } = parseBlock(text)
      const isNext = number === next++ && (hash === undefined || sameBytes(prev, hash))
      if (!isNext) throw refuted(`block ${number} does not follow the one before it`)
      hash = blockHash(text)
    }
  }
  if (hash === undefined || next !== head.block + 1 || !sameBytes(hash, head.hash)) {
    throw refuted(`block ${head.block} is not the one that the trust file names`)
  }
  return true
}

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_REFUTED', `the chain after the block of the row: ${message}`)
}
