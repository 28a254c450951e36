import { performance } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 5 * 60_000

/**
 * Says that the database does not store, with pauses that grow from a second to five minutes, and then, once, that it does
 * again: when all that waited at its return is stored.
 */
export class Outage {
  #began: number | undefined
  #saidAt = 0
  #pauseMs = 0
  /** What is still to be stored of what waited. Undefined: the outage goes on. */
  #left: number | undefined
  #stored = 0

  /** A batch was not stored. @param what in one line */
  goesOn(what: () => string): void {
    const now = performance.now()
    this.#left = undefined
    if (this.#began === undefined) {
      this.#began = now
      this.#stored = 0
      this.#pauseMs = FIRST_PAUSE_MS
    } else if (now < this.#saidAt + this.#pauseMs) {
      return
    } else {
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
    }
    this.#saidAt = now
    diag.warn(`otel-audit: ${what()}`)
  }

  /** @param rows that were stored just now @param waiting events that still wait */
  stored(rows: number, waiting: number): void {
    if (this.#began === undefined) return
    this.#left ??= rows + waiting
    this.#left -= rows
    this.#stored += rows
    if (this.#left > 0 && waiting > 0) return
    const seconds = Math.ceil((performance.now() - this.#began) / 1000)
    this.#began = undefined
    this.#left = undefined
    diag.warn(`otel-audit: stored again: ${this.#stored} events, after ${seconds} s`)
  }
}
