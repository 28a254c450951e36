import { INT8_MIN } from '../event/int8.js'
import { idsOf, type IdWindow, type Range } from './conditions.js'

/**
 * A statement is planned for each partition that it may find rows in, and locks its table and indexes. Up to so many, one statement
 * for all of them is as fast as several for some.
 */
export const FEW_PARTITIONS = 32
/** Partitions of the first window besides those that have not begun; each window has this many times those of the one before. */
const FIRST_PARTITIONS = 2
const GROWTH = 4

/** One window with all ids. */
export const EVERYTHING: readonly IdWindow[] = Object.freeze([{}])

/**
 * Windows from the newest rows to the oldest: small ones first, since they mostly fill a page, and four for 128 partitions. They have
 * all ids together, and none twice, whatever partitions there are by now.
 *
 * @param bounds where partitions begin, in ascending order
 * @param newest no row that is looked for is expected from here on; the first window has it all the same
 */
export function backwards(bounds: readonly bigint[], newest: bigint): readonly IdWindow[] {
  if (bounds.length <= FEW_PARTITIONS) return EVERYTHING
  const windows: IdWindow[] = []
  let below: bigint | undefined
  let size = FIRST_PARTITIONS
  for (let i = bounds.filter((bound) => bound <= newest).length - size; i > 0; i -= size) {
    const atLeast = bounds[i]
    windows.push({ atLeast, below })
    below = atLeast
    size *= GROWTH
  }
  return [...windows, { below }]
}

/** Windows from the oldest rows to the newest, for what has to look into all partitions: so many at once. */
export function forwards(bounds: readonly bigint[]): readonly IdWindow[] {
  const windows: IdWindow[] = []
  let atLeast: bigint | undefined
  for (let i = FEW_PARTITIONS; i < bounds.length; i += FEW_PARTITIONS) {
    windows.push({ atLeast, below: bounds[i] })
    atLeast = bounds[i]
  }
  return [...windows, { atLeast }]
}

/** Whether a window can have rows of a range, those with displaced ids included. */
export function mayHave(window: IdWindow, range: Range): boolean {
  return [idsOf(range), ...(range.displacedIn ?? EVERYTHING)].some((one) => overlap(one, window))
}

function overlap(one: IdWindow, other: IdWindow): boolean {
  const begins = (a: IdWindow, b: IdWindow): boolean =>
    b.below === undefined || (a.atLeast ?? INT8_MIN) < b.below
  return begins(one, other) && begins(other, one)
}
