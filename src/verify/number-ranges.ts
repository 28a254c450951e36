/** Numbers that mostly come in runs: a million in a row take as much memory as two. */
export class NumberRanges {
  /** Ascending, and apart from each other. */
  readonly #ranges: { first: number; last: number }[] = []

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  /** From the first to the last. Cheap when they come in ascending order. */
  add(first: number, last = first): void {
    const at = this.#placeOf(first - 1)
    let to = at
    let [low, high] = [first, last]
    for (
      let range = this.#ranges[to];
      range !== undefined && range.first <= last + 1;
      range = this.#ranges[++to]
    ) {
      low = Math.min(low, range.first)
      high = Math.max(high, range.last)
    }
    this.#ranges.splice(at, to - at, { first: low, last: high })
  }

  has(number: number): boolean {
    const range = this.#ranges[this.#placeOf(number)]
    return range !== undefined && range.first <= number
  }

  /** @returns the place of the first range that does not end before the number */
  #placeOf(number: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.last ?? 0) < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
