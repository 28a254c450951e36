import { performance, wallClock } from '../host/globals.js'

/** How far the clocks of this machine and of the database may be apart, in ms: events may be 24 h ahead. */
const MOST_APART_MS = 60 * 60_000
/** How long an answer of the database counts, in ms. */
const KNOWN_FOR_MS = 30_000

/**
 * Whether the clock of this machine may say that the time of an event is wrong. If it were wrong itself, every event would be kept
 * aside in the place of a row, and of most of them no more than a hash.
 */
export class OwnClock {
  readonly #databaseTime: (() => Promise<number>) | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #isSound: Promise<boolean> | undefined

  /** @param databaseTime ms since the Unix epoch, by the database's clock. Undefined: this machine's is trusted */
  constructor(databaseTime: (() => Promise<number>) | undefined) {
    this.#databaseTime = databaseTime
  }

  /** False as well when the database does not say. Never rejects. */
  isSound(): Promise<boolean> {
    const now = performance.now()
    if (this.#isSound === undefined || now - this.#askedAt > KNOWN_FOR_MS) {
      this.#askedAt = now
      this.#isSound = this.#ask()
    }
    return this.#isSound
  }

  async #ask(): Promise<boolean> {
    if (this.#databaseTime === undefined) return true
    try {
      return Math.abs(wallClock() - (await this.#databaseTime())) < MOST_APART_MS
    } catch {
      this.#askedAt = Number.NEGATIVE_INFINITY
      return false
    }
  }
}
