import type { BlockColumns } from '../../chain/block-columns.js'
import type { ChainStart } from '../chain-start.js'
import type { IdRange, RetentionRow, RowBlock, TrailSource } from '../source.js'

/** A block by its place. */
export interface BlockPlace {
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
}

/**
 * One snapshot of a trail of which parts are asked for, each at a cost that depends on the part alone. Everything in it may be an
 * attacker's.
 */
export interface IncrementalSource extends TrailSource {
  /** Which trail it says that it is: 32 hex digits. */
  trail(): Promise<string>
  /** The smallest and the largest id of a row, as the store says. Undefined: there are none. */
  extent(): Promise<IdRange | undefined>
  /** Where chains begin whose first blocks were retired, in ascending order of chains. */
  chainStarts(): AsyncIterable<readonly ChainStart[]>
  /** Rows about what was retired, from that id on. */
  retentionRows(from?: bigint): AsyncIterable<readonly RetentionRow[]>
  /**
   * Of each chain that is named its blocks from that one on; of each other that is there all of them. Chain by chain, in ascending order
   * of ids and numbers.
   */
  blocksOnwards(known: readonly BlockPlace[]): AsyncIterable<readonly BlockColumns[]>
  /** The blocks behind one place up to, and with, another one, in that order. Undefined: from the first, up to the last. */
  blocksInOrder(
    after: BlockPlace | undefined,
    upTo: BlockPlace | undefined,
  ): AsyncIterable<readonly BlockColumns[]>
  /**
   * Blocks whose smallest id is in the range, and, of each of their chains, the blocks that brought in a key: chain by chain, in
   * ascending order of numbers.
   */
  blocksOfIds(range: IdRange): AsyncIterable<readonly BlockColumns[]>
  /** Blocks whose smallest id is in the range, in ascending order of those ids. */
  rowBlocksOfIds(range: IdRange): AsyncIterable<readonly RowBlock[]>
  /** Those of the places that there are, while rows and their blocks are being read. */
  blocksAt(places: readonly BlockPlace[]): Promise<readonly BlockColumns[]>
}
