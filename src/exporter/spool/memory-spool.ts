import type { AuditEvent } from '../../event/event.js'
import { encodeRecord } from './record.js'
import { type Spool, type SpooledEvent, type SpoolKey, SpoolRefusal, type SpoolStatus } from './spool.js'

interface Kept {
  readonly event: AuditEvent
  readonly bytes: number
  handedOut: boolean
}

/** The spool's contract in memory, for tests: everything but the disk. */
export class MemorySpool implements Spool {
  readonly #maxBytes: number
  readonly #entries = new Map<SpoolKey, Kept>()
  readonly #quarantine = new Map<SpoolKey, { readonly reason: string; readonly bytes: number }>()
  #lastKey = 0
  #bytes = 0
  #closed = false

  /** @param maxBytes most bytes of entries, quarantined ones included */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get status(): SpoolStatus {
    return { entries: this.#entries.size, bytes: this.#bytes, quarantined: this.#quarantine.size }
  }

  append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]> {
    return this.#open(() => {
      const sizes = events.map((event) => encodeRecord(event).byteLength)
      const more = sizes.reduce((sum, size) => sum + size, 0)
      if (this.#bytes + more > this.#maxBytes)
        throw new SpoolRefusal('full', 'the bound of the spool is reached')
      this.#bytes += more
      return events.map((event, i) => {
        const key = ++this.#lastKey
        this.#entries.set(key, { event, bytes: sizes[i] ?? 0, handedOut: true })
        return key
      })
    })
  }

  next(limit: number): Promise<readonly SpooledEvent[]> {
    return this.#open(() => {
      const out: SpooledEvent[] = []
      for (const [key, entry] of this.#entries) {
        if (out.length >= limit) break
        if (entry.handedOut) continue
        entry.handedOut = true
        out.push({ key, event: entry.event })
      }
      return out
    })
  }

  remove(keys: readonly SpoolKey[]): Promise<void> {
    return this.#open(() => {
      for (const key of keys) this.#take(key)
    })
  }

  putBack(keys: readonly SpoolKey[]): Promise<void> {
    return this.#open(() => {
      for (const key of keys) {
        const entry = this.#entries.get(key)
        if (entry !== undefined) entry.handedOut = false
      }
    })
  }

  quarantine(key: SpoolKey, reason: string): Promise<void> {
    return this.#open(() => {
      const entry = this.#take(key)
      if (entry === undefined) return
      this.#quarantine.set(key, { reason, bytes: entry.bytes })
      this.#bytes += entry.bytes
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #take(key: SpoolKey): Kept | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    return entry
  }

  async #open<T>(work: () => T): Promise<T> {
    if (this.#closed) throw new SpoolRefusal('unavailable', 'it is closed')
    return work()
  }
}
