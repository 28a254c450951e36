import { isOwnOperation, Outcome } from '../event/vocabulary.js'

/** Denials of one credential that go before one that is counted. */
const BEFORE = 10
const WINDOW_MS = 5 * 60_000
/** Credentials that are remembered: those denied last. */
const MOST_CREDENTIALS = 1000

/** Not a denial, nor a failure, of the access itself. */
const NOT_DENIED: ReadonlySet<string> = new Set([Outcome.Ok, Outcome.Requested, Outcome.Withheld])

/**
 * Tells denials that come in bursts: one of a credential that has had ten within the five minutes before. The credential
 * itself must not become a label of a metric, since others choose how many there are; that there is such a burst may.
 */
export class RepeatedDenials {
  /** Times of the last denials of each credential, the oldest first. The credential denied last is the last key. */
  readonly #times = new Map<string, number[]>()

  /** @param nowMs a clock that does not step back @returns whether this event is one more of a burst */
  note(
    { credential, operation, outcome }: { credential: string; operation: string; outcome: string },
    nowMs: number,
  ): boolean {
    if (NOT_DENIED.has(outcome) || isOwnOperation(operation)) return false
    const times = this.#times.get(credential) ?? []
    const [oldest] = times
    const isRepeated = times.length === BEFORE && oldest !== undefined && nowMs - oldest <= WINDOW_MS
    times.push(nowMs)
    if (times.length > BEFORE) times.shift()
    this.#times.delete(credential)
    this.#times.set(credential, times)
    for (const [longestAgo] of this.#times) {
      if (this.#times.size <= MOST_CREDENTIALS) break
      this.#times.delete(longestAgo)
    }
    return isRepeated
  }
}
