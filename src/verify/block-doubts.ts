import { NumberRanges } from './number-ranges.js'

/** Which blocks of a chain nothing has proven: rows are not accused because of what one of them says. */
export class BlockDoubts {
  readonly #unusable = new NumberRanges()
  readonly #unproven = new NumberRanges()
  /** From this number on no block is proven, up to the last that is there. */
  #from = Number.POSITIVE_INFINITY
  #last = -1
  readonly #gaps = new NumberRanges()

  /** The number of the last block that is there. */
  end(last: number): void {
    this.#last = last
  }

  /** Blocks from the first to the last are missing. Gaps come in ascending order. */
  addGap(first: number, last: number): void {
    this.#gaps.add(first, last)
  }

  addUnusable(block: number): void {
    this.#unusable.add(block)
  }

  addUnproven(block: number): void {
    if (block < this.#from) this.#unproven.add(block)
  }

  /** The key is not known any more. */
  addAllFrom(block: number): void {
    this.#from = Math.min(this.#from, block)
  }

  /** Its columns make no block, or its number is there more than once: rows are held against none of it. */
  isUnusable(block: number): boolean {
    return this.#unusable.has(block)
  }

  /** Of an unproven block: whether it is there at all. */
  isThere(block: number): boolean {
    if (this.#unusable.has(block) || this.#unproven.has(block)) return true
    return block >= this.#from && this.wasRead(block)
  }

  /** Whether there was such a block at all. */
  wasRead(block: number): boolean {
    return block >= 0 && block <= this.#last && !this.#gaps.has(block)
  }

  /** Signed by the key that was current, or named by the block after it, which is. */
  isProven(block: number): boolean {
    return block < this.#from && !this.#unproven.has(block) && !this.#unusable.has(block)
  }
}
