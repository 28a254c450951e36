import { type Block, blockHash, blockText } from './block.js'
import { type BlockColumns, blockColumns } from './block-columns.js'
import { signatureLines } from './note.js'
import type { NoteSigner } from './note-key.js'

/** A block as it is sent: these bytes and no others. */
export interface SignedBlock {
  readonly block: Block
  readonly text: string
  /** SHA-256 of the text: what the next block has as `prev`, and what anchors say. */
  readonly hash: Buffer
  readonly columns: BlockColumns
  /** The whole signed note, as C2SP has it. */
  readonly note: string
}

export function signBlock(block: Block, signers: readonly NoteSigner[]): SignedBlock {
  const text = blockText(block)
  const signatures = signatureLines(text, signers)
  return {
    block,
    text,
    hash: blockHash(text),
    columns: blockColumns(block, signatures),
    note: `${text}\n${signatures}`,
  }
}
