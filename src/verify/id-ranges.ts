import type { IdRange } from './source.js'

/** Ids of rows that are known to be somewhere else, as ranges that do not touch. */
export class IdRanges {
  /** Ascending, and apart from each other. */
  readonly ranges: readonly IdRange[]

  /** @param ranges in any order; they may overlap */
  constructor(ranges: readonly IdRange[]) {
    const merged: { first: bigint; last: bigint }[] = []
    const sorted = ranges.filter(({ first, last }) => first <= last)
    for (const { first, last } of sorted.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
      const before = merged.at(-1)
      if (before === undefined || first > before.last + 1n) merged.push({ first, last })
      else if (last > before.last) before.last = last
    }
    this.ranges = merged
  }

  has(id: bigint): boolean {
    return this.ranges.some(({ first, last }) => first <= id && id <= last)
  }

  /** Whether one of the ids from the first to the last, both included, is among them. */
  overlaps(first: bigint, last: bigint): boolean {
    return this.ranges.some((range) => range.first <= last && first <= range.last)
  }
}
