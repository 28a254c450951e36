export interface RateLimit {
  /** Requests that a client may send at once after a rest. */
  readonly burst: number
  /** Requests per second after that. */
  readonly perSecond: number
}

export const RATE_LIMIT: RateLimit = Object.freeze({ burst: 200, perSecond: 50 })
/** Most clients that are remembered. */
const MOST_CLIENTS = 10_000

interface Bucket {
  tokens: number
  filledAt: number
}

/** A token bucket for each client. Remembers a bounded number; the one unseen for longest is forgotten first. */
export class RateLimiter {
  readonly #limit: RateLimit
  readonly #buckets = new Map<string, Bucket>()

  constructor(limit: RateLimit) {
    this.#limit = limit
  }

  /**
   * Counts a request.
   *
   * @param nowMs a clock that does not step back
   * @returns how many seconds the client has to wait: 0 when it may go on
   */
  take(client: string, nowMs: number): number {
    const { burst, perSecond } = this.#limit
    const bucket = this.#buckets.get(client) ?? { tokens: burst, filledAt: nowMs }
    this.#buckets.delete(client)
    this.#buckets.set(client, bucket)
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= MOST_CLIENTS) break
      this.#buckets.delete(oldest)
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledAt) / 1000) * perSecond)
    bucket.filledAt = nowMs
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perSecond)
    bucket.tokens--
    return 0
  }
}
