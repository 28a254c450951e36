import type { RowPlace } from '../contract/ticket.js'
import type { Entry } from './entry.js'
import type { Settlement } from './settlement.js'

/** An event that is stored, and whose caller has not been told. */
interface Untold {
  readonly entry: Entry
  readonly committedAt: number
  readonly place: RowPlace | undefined
}

/** The callers whose rows are committed: told when the next batch is on its way, or nobody waits. */
export class Answers {
  readonly #settlement: Settlement
  readonly #untold: Untold[] = []

  constructor(settlement: Settlement) {
    this.#settlement = settlement
  }

  /** How many have not been told. */
  get waiting(): number {
    return this.#untold.length
  }

  /** The row of `entry` is committed. */
  owe(entry: Entry, committedAt: number, place: RowPlace | undefined): void {
    clearTimeout(entry.deadline)
    this.#untold.push({ entry, committedAt, place })
  }

  /** Tells the first `count` of them. */
  tell(count = this.waiting): void {
    for (const { entry, committedAt, place } of this.#untold.splice(0, count)) {
      this.#settlement.stored(entry, committedAt, place)
    }
  }

  /**
   * Tells those of the last batch while nobody waits. Callers who record again at once join one batch; but where telling
   * them takes longer than a write, half of them go first, so that the database works while the others are told. With
   * 64 callers and tracing that makes 1.3 times the rows a second; with a slow commit it would halve them.
   *
   * @param writeMs how long the last batch took
   */
  async tellIdle(writeMs: number): Promise<void> {
    const began = performance.now()
    this.tell(Math.ceil(this.waiting / 2))
    if (this.waiting === 0) return
    await turn()
    if (performance.now() - began > writeMs / 2) return
    this.tell()
    await turn()
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
