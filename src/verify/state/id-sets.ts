import { IdRanges } from '../id-ranges.js'
import type { IdRange } from '../source.js'

/** A gap of ids, about 4 min, that is rather read than cut out. */
const CLOSE = 1n << 40n

/** Ranges that lie so close to each other that one reading costs less than two become one. */
export function joined(ranges: readonly IdRange[]): readonly IdRange[] {
  const found: IdRange[] = []
  for (const range of new IdRanges(ranges).ranges) {
    const before = found.at(-1)
    if (before !== undefined && range.first - before.last <= CLOSE) {
      found[found.length - 1] = { first: before.first, last: range.last }
    } else found.push(range)
  }
  return found
}

/** What of the ranges is not in the other one. */
export function without(ranges: readonly IdRange[], { first, last }: IdRange): readonly IdRange[] {
  return ranges.flatMap((range) => {
    const [below, above] = [
      { first: range.first, last: range.last < first ? range.last : first - 1n },
      { first: range.first > last ? range.first : last + 1n, last: range.last },
    ]
    return [below, above].filter((part) => part.first <= part.last)
  })
}

const MOST = 10_000

/** Ranges that are collected one by one, and joined now and then: memory depends on how many there are apart. */
export class IdCollector {
  #ranges: IdRange[] = []

  add(range: IdRange): void {
    this.#ranges.push(range)
    if (this.#ranges.length > MOST) this.#ranges = [...joined(this.#ranges)]
  }

  get ranges(): readonly IdRange[] {
    return joined(this.#ranges)
  }
}
