import type { Entry } from './entry.js'

/**
 * The events without a fate, in the order in which they came, linked through themselves as those of a lane are.
 *
 * A `Set` would do, but for memory: events come at its end and leave at its front, so it gets a new table every few hundred, and
 * V8's old table refers to the new one, and to what was in it. From the first of them that is in old space on, each
 * takes the next one there, with its events, for long after these are gone: 1.2 KB for each event.
 */
export class Pending {
  #oldest: Entry | undefined
  #youngest: Entry | undefined
  #size = 0

  get oldest(): Entry | undefined {
    return this.#oldest
  }

  get size(): number {
    return this.#size
  }

  add(entry: Entry): void {
    entry.isPending = true
    entry.older = this.#youngest
    if (this.#youngest === undefined) this.#oldest = entry
    else this.#youngest.younger = entry
    this.#youngest = entry
    this.#size++
  }

  /** Does nothing when it is not there. */
  delete(entry: Entry): void {
    if (!entry.isPending) return
    const { older, younger } = entry
    if (older === undefined) this.#oldest = younger
    else older.younger = younger
    if (younger === undefined) this.#youngest = older
    else younger.older = older
    entry.isPending = false
    entry.older = entry.younger = undefined
    this.#size--
  }

  /** All of them, oldest first. */
  all(): Entry[] {
    const all: Entry[] = []
    for (let entry = this.#oldest; entry !== undefined; entry = entry.younger) all.push(entry)
    return all
  }
}
