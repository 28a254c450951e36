import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import type { StoredLeaf } from '../verify/source.js'
import type { PartitionRange, Straddling } from './partition-reader.js'
import type { RowLine } from './row-line.js'

/** The blocks that have rows in a partition and elsewhere, and which rows of the partition may be of one. */
export class StraddlingBlocks {
  readonly #blocks: ReadonlySet<string>
  /** Ids up to here may be of a block that began before the partition. */
  readonly #until: bigint
  /** Ids from here on, of one that ends behind it. */
  readonly #since: bigint

  constructor(blocks: readonly Straddling[], { from = INT8_MIN }: PartitionRange) {
    this.#blocks = new Set(blocks.map(({ chain, block }) => `${chain} ${block}`))
    this.#until = blocks.reduce(
      (most, { minId, maxId }) => (minId < from && maxId > most ? maxId : most),
      INT8_MIN,
    )
    this.#since = blocks.reduce(
      (least, { minId }) => (minId >= from && minId < least ? minId : least),
      INT8_MAX,
    )
  }

  mayHave(auditId: bigint): boolean {
    return this.#blocks.size > 0 && (auditId <= this.#until || auditId >= this.#since)
  }

  has(chain: string, block: number): boolean {
    return this.#blocks.has(`${chain} ${block}`)
  }
}

/** What is kept of a row, when its block has others elsewhere. */
export function leafOf(
  row: RowLine,
  straddling: StraddlingBlocks,
  partition: string,
): StoredLeaf | undefined {
  if (!straddling.mayHave(row.auditId)) return undefined
  const { chain, block, index, stored } = row.place
  if (chain === null || block === null || index === null || index < 0) return undefined
  if (stored?.length !== 32 || !straddling.has(chain, block)) return undefined
  return { chain, block, index, digest: stored, partition }
}
