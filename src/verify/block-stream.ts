import type { BlockSum } from './block-sum.js'
import type { RowWalk } from './row-walk.js'
import type { RowBlock } from './source.js'

/** The blocks in ascending order of their smallest ids, taken as far as the rows have come. */
export class BlockStream {
  readonly #batches: AsyncIterator<readonly RowBlock[]>
  readonly #sum: BlockSum
  #batch: readonly RowBlock[] = []
  #next = 0
  #ended = false

  /** @param sum of the blocks that were taken */
  constructor(batches: AsyncIterable<readonly RowBlock[]>, sum: BlockSum) {
    this.#sum = sum
    this.#batches = batches[Symbol.asyncIterator]()
  }

  isDue(auditId: bigint): boolean {
    const block = this.#batch[this.#next]
    return block === undefined ? !this.#ended : block.minId <= auditId
  }

  async take(auditId: bigint, walk: RowWalk): Promise<void> {
    while (this.isDue(auditId)) {
      const block = this.#batch[this.#next]
      if (block !== undefined) {
        this.#next++
        this.#sum.add(block)
        walk.admit(block, auditId)
        continue
      }
      const { done, value } = await this.#batches.next()
      this.#ended = done === true
      this.#batch = done === true ? [] : value
      this.#next = 0
    }
  }
}
