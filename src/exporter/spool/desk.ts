import type { SpoolKey } from './spool.js'
import type { SpoolEnvironment } from './environment.js'

/** An entry as it goes between the worker and the process: the bytes, not what is in them. */
export interface KeyedBytes {
  readonly key: SpoolKey
  readonly bytes: Uint8Array
}

export interface DeskStatus {
  readonly entries: number
  readonly bytes: number
  readonly quarantined: number
}

/** The bound on bytes is reached. */
export class SpoolIsFull extends Error {
  override readonly name = 'SpoolIsFull'
}

/** Numbers are below this; what is above it in a key says which environment. */
const NUMBERS = 2 ** 32

/**
 * The environments of one process as one spool: its own, into which it appends, and those it took over, which are
 * handed out first. A key is `environment × 2³² + number`, so nothing is kept in memory of an entry that is on disk,
 * but for those that are in the hands of the process; and these are as many as its queue holds.
 */
export class SpoolDesk {
  readonly #maxBytes: number
  readonly #environments = new Map<number, SpoolEnvironment>()
  readonly #handedOut = new Set<SpoolKey>()
  /** By environment: all entries below are handed out or gone. */
  readonly #cursors = new Map<number, number>()
  #lastEnvironment = OWN

  constructor(own: SpoolEnvironment, maxBytes: number) {
    this.#environments.set(OWN, own)
    this.#maxBytes = maxBytes
  }

  get status(): DeskStatus {
    let entries = 0
    let bytes = 0
    let quarantined = 0
    for (const environment of this.#environments.values()) {
      entries += environment.entries
      bytes += environment.bytes
      quarantined += environment.quarantined
    }
    return { entries, bytes, quarantined }
  }

  adopt(environment: SpoolEnvironment): void {
    this.#environments.set(++this.#lastEnvironment, environment)
  }

  /** Whether so many more bytes fit. */
  fits(bytes: number): boolean {
    return this.status.bytes + bytes <= this.#maxBytes
  }

  /** Stores all of these in one transaction; they count as handed out. @returns their keys */
  append(records: readonly Uint8Array[]): SpoolKey[] {
    const own = this.#environments.get(OWN)
    if (own === undefined) throw new Error('the spool is closed')
    return own.append(records).map((number) => this.#handOut(OWN, number))
  }

  /** The oldest entries that are not handed out. */
  next(limit: number): KeyedBytes[] {
    const out: KeyedBytes[] = []
    // Taken over first; within an environment by number, which is the order of appending.
    for (const [index, environment] of [...this.#environments].reverse()) {
      for (const { number, bytes } of environment.from(this.#cursors.get(index) ?? 0)) {
        if (out.length >= limit) return out
        this.#cursors.set(index, number + 1)
        if (this.#handedOut.has(keyOf(index, number))) continue
        out.push({ key: this.#handOut(index, number), bytes })
      }
    }
    return out
  }

  putBack(keys: readonly SpoolKey[]): void {
    for (const key of keys) {
      if (!this.#handedOut.delete(key)) continue
      const { index, number } = placeOf(key)
      this.#cursors.set(index, Math.min(this.#cursors.get(index) ?? 0, number))
    }
  }

  /** @returns environments that have nothing left in them; the caller closes them */
  remove(keys: readonly SpoolKey[]): SpoolEnvironment[] {
    const numbers = new Map<number, number[]>()
    for (const key of keys) {
      const { index, number } = placeOf(key)
      this.#handedOut.delete(key)
      const list = numbers.get(index)
      if (list === undefined) numbers.set(index, [number])
      else list.push(number)
    }
    for (const [index, list] of numbers) this.#environments.get(index)?.remove(list)
    return this.#emptied()
  }

  quarantine(key: SpoolKey, reason: string): void {
    const { index, number } = placeOf(key)
    this.#handedOut.delete(key)
    this.#environments.get(index)?.quarantine(number, reason)
  }

  environments(): readonly SpoolEnvironment[] {
    return [...this.#environments.values()]
  }

  #handOut(index: number, number: number): SpoolKey {
    const key = keyOf(index, number)
    this.#handedOut.add(key)
    return key
  }

  #emptied(): SpoolEnvironment[] {
    const empty: SpoolEnvironment[] = []
    for (const [index, environment] of this.#environments) {
      if (index === OWN || environment.entries > 0 || environment.quarantined > 0) continue
      this.#environments.delete(index)
      this.#cursors.delete(index)
      empty.push(environment)
    }
    return empty
  }
}

/** The index of the process's own environment. */
const OWN = 0

function keyOf(index: number, number: number): SpoolKey {
  return index * NUMBERS + number
}

function placeOf(key: SpoolKey): { readonly index: number; readonly number: number } {
  return { index: Math.floor(key / NUMBERS), number: key % NUMBERS }
}
