/** Which blocks of a chain nothing has proven: rows are not accused because of what one of them says. */
export class BlockDoubts {
  readonly #malformed = new Set<number>()
  readonly #unproven = new Set<number>()
  /** From this number on no block is proven, up to the last that is there. */
  #from = Number.POSITIVE_INFINITY
  #last = -1

  get isEmpty(): boolean {
    return this.#malformed.size === 0 && this.#unproven.size === 0 && this.#from === Number.POSITIVE_INFINITY
  }

  /** The number of the last block that is there. */
  end(last: number): void {
    this.#last = last
  }

  addMalformed(block: number): void {
    this.#malformed.add(block)
  }

  addUnproven(block: number): void {
    if (block < this.#from) this.#unproven.add(block)
  }

  /** The key is not known any more. */
  addAllFrom(block: number): void {
    this.#from = Math.min(this.#from, block)
  }

  /** Its columns make no block, so it has neither rows nor a range of ids. */
  isMalformed(block: number): boolean {
    return this.#malformed.has(block)
  }

  /** Some of these may be missing: that is another finding. */
  isThere(block: number): boolean {
    return (
      this.#malformed.has(block) || this.#unproven.has(block) || (block >= this.#from && block <= this.#last)
    )
  }

  /** Signed by the key that was current, or named by the block after it, which is. */
  isProven(block: number): boolean {
    return block < this.#from && !this.#unproven.has(block) && !this.#malformed.has(block)
  }
}
