import type { BlockColumns } from '../chain/block-columns.js'
import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import type { ChainStart } from './chain-start.js'
import type { LeafDigest } from './leaf-digests.js'

/** Rows from and to these audit ids, both included. */
export interface IdRange {
  readonly first: bigint
  readonly last: bigint
}

/** Any id at all: negative ones are not this library's, and are looked at too. */
export const ALL_IDS: IdRange = Object.freeze({ first: INT8_MIN, last: INT8_MAX })

/** Which part of the trail is looked at. */
export interface Selection {
  /** Only this chain. 32 hex digits. */
  readonly chain: string | undefined
  /** Only these rows, and those of the blocks that they are in. Blocks are always walked from genesis. */
  readonly ids: IdRange | undefined
}

/** A data block as the rows are held against it. What the chains have proven before. */
export interface RowBlock {
  /** 32 hex digits. */
  readonly chain: string
  readonly block: number
  readonly minId: bigint
  readonly maxId: bigint
  readonly rowCount: number
  readonly root: Uint8Array
}

/** The same, of its columns. Undefined: it has no rows. */
export function rowBlockOf({
  chainId,
  blockNo,
  minId,
  maxId,
  rowCount,
  root,
}: BlockColumns): RowBlock | undefined {
  if (minId === null || maxId === null) return undefined
  return { chain: chainId, block: Number(blockNo), minId, maxId, rowCount, root }
}

/** A row as it is held against its block. */
export interface CheckedRow {
  readonly auditId: bigint
  /** The id that it had first, which another event had taken. */
  readonly originalAuditId: bigint | null
  /** SHA-256 of the event that the columns make. */
  readonly computed: Uint8Array
  /** What the column `event_digest` says. */
  readonly stored: Uint8Array | null
  /** 32 hex digits. */
  readonly chain: string | null
  readonly block: number | null
  readonly index: number | null
  /** It was put here by another transaction than the one that it names. Undefined: the store cannot tell. */
  readonly isForeign?: boolean | undefined
}

/** A row of the trail that says that a part of it was retired. Anybody may have written it. */
export interface RetentionRow {
  readonly auditId: bigint
  /** The signed note, as the attributes of the row have it. */
  readonly note: string
}

/** A leaf digest that the trail keeps, and of which partition it says that the row was. */
export interface StoredLeaf extends LeafDigest {
  readonly partition: string
}

/** Something in the place of a table of the trail, or on it, that can change what it answers. */
export interface StoreAlteration {
  /** What it is, with the name of the table. */
  readonly what: string
  /** Rows are kept from this login: whatever was read would look as if the others were gone. */
  readonly hidesRows: boolean
}

/**
 * One snapshot of a trail. Everything in it may be an attacker's. Streams come in batches, and nothing is read before
 * it is asked for.
 */
export interface TrailSource {
  /** What the tables are, where that is not what a trail has. */
  alterations(): Promise<readonly StoreAlteration[]>
  /** Which trail it says that it is: 32 hex digits. A source that says none is of whichever its blocks name. */
  trail?(): Promise<string>
  /** Rows about what was retired, in ascending order of ids. A source without them has everything that it ever had. */
  retentionRows?(): AsyncIterable<readonly RetentionRow[]>
  /** What is left of retired rows, in whatever order. */
  leaves?(): AsyncIterable<readonly StoredLeaf[]>
  /** Where chains begin whose first blocks were retired, in ascending order of chains. Without them all begin with genesis. */
  chainStarts?(): AsyncIterable<readonly ChainStart[]>
  /** All blocks, chain by chain, in ascending order of their numbers. */
  blocks(selection: Selection): AsyncIterable<readonly BlockColumns[]>
  /** Blocks with rows of that range, in ascending order of their smallest ids. */
  rowBlocks(selection: Selection): AsyncIterable<readonly RowBlock[]>
  /**
   * Rows of that range in ascending order of their ids.
   *
   * @param expected about how many: what blocks say of them
   */
  rows(range: IdRange, selection: Selection, expected?: number): AsyncIterable<readonly CheckedRow[]>
}
