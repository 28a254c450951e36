/** The orders to a flooded service. */
export type Order =
  /** Records so many events, at most so many a second. */
  | { readonly what: 'record'; readonly events: number; readonly rate: number }
  /** Waits until nothing is left to be stored, and closes. */
  | { readonly what: 'settle' }

/** What it answers: once when it is up and idle, and then to each order. */
export interface Answer {
  /** Resident memory at the end, and the most there was since the answer before, in bytes. */
  readonly rss: number
  readonly peakRss: number
  /** Seconds that the order took. */
  readonly seconds: number
  /** Longest time for which the event loop was blocked, and the 99th percentile, in ms. */
  readonly blockedMs: { readonly max: number; readonly p99: number }
  /** Events that were given up. */
  readonly dropped: number
  /** Events that only the spool has. */
  readonly spooled: number
}
