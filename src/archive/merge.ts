/** A sorted list that is read when it is needed. */
export interface SortedList<T> {
  /** No smaller item is in it. Undefined: that is not known, and it is opened at once. */
  readonly from: T | undefined
  open(): AsyncIterable<readonly T[]>
}

interface Opened<T> {
  readonly batches: AsyncIterator<readonly T[]>
  batch: readonly T[]
  next: number
}

/**
 * Sorted lists as one, in batches. Of items that are equal that of the earlier list comes first. A list is opened when its first
 * item may be due.
 *
 * @param compare below 0 when the first comes before the second
 */
export async function* merged<T>(
  lists: readonly SortedList<T>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<readonly T[], void> {
  const waiting = lists.toSorted(({ from: a }, { from: b }) =>
    a === undefined || b === undefined ? Number(b === undefined) - Number(a === undefined) : compare(a, b),
  )
  const open: Opened<T>[] = []
  let out: T[] = []
  for (;;) {
    let least = leastOf(open, compare)
    const item = least?.batch[least.next]
    const due = waiting.findIndex(
      ({ from }) => from === undefined || item === undefined || compare(from, item) <= 0,
    )
    if (due >= 0) {
      // Who has enough by now spares the next list.
      if (out.length > 0) {
        yield out
        out = []
      }
      const [list] = waiting.splice(due, 1)
      const opened = list === undefined ? undefined : await begun(list)
      if (opened !== undefined) open.push(opened)
      continue
    }
    if (least === undefined || item === undefined) break
    // Mostly the lists follow each other: what comes before the next item of every other one needs no further look.
    const others = [
      ...open.filter((list) => list !== least).map((list) => list.batch[list.next]),
      waiting[0]?.from,
    ]
    do {
      out.push(least.batch[least.next] as T)
      least.next++
    } while (
      out.length < BATCH &&
      least.next < least.batch.length &&
      isBelow(least.batch[least.next] as T, others, compare)
    )
    if (least.next === least.batch.length) {
      if (!(await refilled(least))) open.splice(open.indexOf(least), 1)
      least = undefined
    }
    if (out.length >= BATCH) {
      yield out
      out = []
    }
  }
  if (out.length > 0) yield out
}

const BATCH = 1000

async function begun<T>(list: SortedList<T>): Promise<Opened<T> | undefined> {
  const opened = { batches: list.open()[Symbol.asyncIterator](), batch: [], next: 0 }
  return (await refilled(opened)) ? opened : undefined
}

/** @returns whether there is another item */
async function refilled<T>(list: Opened<T>): Promise<boolean> {
  for (;;) {
    const { done, value } = await list.batches.next()
    if (done === true) return false
    if (value.length === 0) continue
    list.batch = value
    list.next = 0
    return true
  }
}

function isBelow<T>(item: T, others: readonly (T | undefined)[], compare: (a: T, b: T) => number): boolean {
  for (const other of others) if (other !== undefined && compare(item, other) >= 0) return false
  return true
}

function leastOf<T>(open: readonly Opened<T>[], compare: (a: T, b: T) => number): Opened<T> | undefined {
  let least: Opened<T> | undefined
  for (const list of open) {
    const [item, best] = [list.batch[list.next], least?.batch[least.next]]
    if (item !== undefined && (best === undefined || compare(item, best) < 0)) least = list
  }
  return least
}
