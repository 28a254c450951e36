import type { Entry } from './entry.js'

/**
 * A FIFO of entries, each of which can be taken out wherever it stands: 16,384 strict callers may run into one deadline
 * together. The links are in the entries, so an entry waits in one lane at most.
 */
export class Lane {
  #first: Entry | undefined
  #last: Entry | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  get first(): Entry | undefined {
    return this.#first
  }

  push(entry: Entry): void {
    this.#insert(entry, this.#last, undefined)
  }

  /** Puts these in front of all others, in their order. */
  unshift(entries: readonly Entry[]): void {
    const next = this.#first
    for (const entry of entries) this.#insert(entry, next === undefined ? this.#last : next.previous, next)
  }

  shift(): Entry | undefined {
    const entry = this.#first
    if (entry !== undefined) this.remove(entry)
    return entry
  }

  /** @returns false when it does not wait here */
  remove(entry: Entry): boolean {
    if (entry.waitsIn !== this) return false
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    entry.previous = entry.next = entry.waitsIn = undefined
    this.#length--
    return true
  }

  /** All of them, first to last. */
  all(): Entry[] {
    const all: Entry[] = []
    for (let entry = this.#first; entry !== undefined; entry = entry.next) all.push(entry)
    return all
  }

  /** Takes all out. */
  drain(): Entry[] {
    const all: Entry[] = []
    for (let entry = this.shift(); entry !== undefined; entry = this.shift()) all.push(entry)
    return all
  }

  #insert(entry: Entry, previous: Entry | undefined, next: Entry | undefined): void {
    entry.waitsIn = this
    entry.previous = previous
    entry.next = next
    if (previous === undefined) this.#first = entry
    else previous.next = entry
    if (next === undefined) this.#last = entry
    else next.previous = entry
    this.#length++
  }
}
