import { randomBytes } from '../../host/crypto.js'
import { sha256 } from '../../event/sha256.js'

/** Random bytes of a key: nobody guesses one. */
const KEY_BYTES = 32

interface Kept<Value> {
  readonly value: Value
  readonly until: number
}

/**
 * Values that somebody else holds the keys of, each for a limited time, and a limited number of them: of more, the oldest go.
 * What is held is the hash of a key, so that a copy of the memory opens nothing.
 */
export class KeyedValues<Value> {
  readonly #lifetimeMs: number
  readonly #most: number
  readonly #kept = new Map<string, Kept<Value>>()

  constructor({ lifetimeMs, most }: { readonly lifetimeMs: number; readonly most: number }) {
    this.#lifetimeMs = lifetimeMs
    this.#most = most
  }

  /**
   * @param nowMs a clock that does not step back
   * @returns the key
   */
  put(value: Value, nowMs: number): string {
    const key = randomBytes(KEY_BYTES).toString('base64url')
    this.#kept.set(hashOf(key), { value, until: nowMs + this.#lifetimeMs })
    for (const [oldest, { until }] of this.#kept) {
      if (this.#kept.size <= this.#most && until > nowMs) break
      this.#kept.delete(oldest)
    }
    return key
  }

  /** @returns undefined for a key that is not one, or not any more */
  get(key: string | undefined, nowMs: number): Value | undefined {
    const found = key === undefined ? undefined : this.#kept.get(hashOf(key))
    return found === undefined || found.until <= nowMs ? undefined : found.value
  }

  /** As {@link get}, once. */
  take(key: string | undefined, nowMs: number): Value | undefined {
    const value = this.get(key, nowMs)
    this.remove(key)
    return value
  }

  remove(key: string | undefined): void {
    if (key !== undefined) this.#kept.delete(hashOf(key))
  }
}

function hashOf(key: string): string {
  return sha256(key).toString('base64')
}
