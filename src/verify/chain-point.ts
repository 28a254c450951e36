import type { Block } from '../chain/block.js'

/**
 * A block of a chain, and all that has to be known to walk the chain on from there as if the walk had begun at genesis:
 * everything up to the block was proven, and nothing was found.
 */
export interface ChainPoint {
  /** 32 hex digits. */
  readonly chain: string
  /** The block itself, as far as the next one follows from it. */
  readonly last: Pick<Block, 'number' | 'kind' | 'rowsTotal' | 'lost' | 'time'>
  /** SHA-256 of its text. */
  readonly hash: Uint8Array
  /** Verifier key that signs what follows, and the number of the block that brought it in. */
  readonly key: string
  readonly keyFrom: number
  /** What genesis says. */
  readonly log: string
  readonly opening: Block['opening']
  /** How the chain stands with the auditor whose trust file it was. */
  readonly enrolled: boolean
  readonly pinned: boolean
  /** The largest id of a row that one of its blocks has. */
  readonly lastId: bigint | undefined
}
