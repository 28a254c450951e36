import { encodeEvent } from '../event/digest.js'
import type { AuditEvent } from '../event/event.js'
import { checkInteger } from '../host/check.js'
import { spooledBytes } from './record.js'
import { type Spool, type SpooledEvent, type SpoolKey, SpoolRefusal, type SpoolStatus } from './spool.js'

interface Kept {
  readonly event: AuditEvent
  readonly bytes: number
  /** The name it has while it is handed out. */
  key: SpoolKey | undefined
}

/** The spool's contract in memory, for tests: everything but the disk. */
export class MemorySpool implements Spool {
  readonly #maxBytes: number
  /** In the order of appending. */
  readonly #entries = new Set<Kept>()
  readonly #handedOut = new Map<SpoolKey, Kept>()
  readonly #quarantine: { readonly event: AuditEvent; readonly reason: string }[] = []
  #lastKey = 0
  #bytes = 0
  #closed = false

  /**
   * @param maxBytes most bytes of entries, quarantined ones included. Default: 1 GiB
   * @throws AuditError `AUDIT_INVALID_OPTION` unless it is a positive integer
   */
  constructor(maxBytes: number | undefined = 1024 ** 3) {
    this.#maxBytes = checkInteger('maxBytes', maxBytes, 1, Number.MAX_SAFE_INTEGER)
  }

  get status(): SpoolStatus {
    return { entries: this.#entries.size, bytes: this.#bytes, quarantined: this.#quarantine.length }
  }

  append(events: readonly AuditEvent[]): Promise<readonly SpoolKey[]> {
    return this.#whileOpen(() => {
      const sizes = events.map((event) => spooledBytes(encodeEvent(event).byteLength))
      const more = sizes.reduce((sum, size) => sum + size, 0)
      if (this.#bytes + more > this.#maxBytes) {
        throw new SpoolRefusal('full', 'the bound of the spool is reached')
      }
      this.#bytes += more
      return events.map((event, i) => {
        const kept: Kept = { event, bytes: sizes[i] ?? 0, key: undefined }
        this.#entries.add(kept)
        return this.#handOut(kept)
      })
    })
  }

  next(limit: number): Promise<readonly SpooledEvent[]> {
    return this.#whileOpen(() => {
      const out: SpooledEvent[] = []
      for (const kept of this.#entries) {
        if (out.length >= limit) break
        if (kept.key === undefined) out.push({ key: this.#handOut(kept), event: kept.event })
      }
      return out
    })
  }

  remove(keys: readonly SpoolKey[]): Promise<void> {
    return this.#whileOpen(() => {
      for (const key of keys) {
        const kept = this.#takeBack(key)
        if (kept === undefined) continue
        this.#entries.delete(kept)
        this.#bytes -= kept.bytes
      }
    })
  }

  putBack(keys: readonly SpoolKey[]): Promise<void> {
    return this.#whileOpen(() => {
      for (const key of keys) this.#takeBack(key)
    })
  }

  quarantine(key: SpoolKey, reason: string): Promise<void> {
    return this.#whileOpen(() => {
      const kept = this.#takeBack(key)
      if (kept === undefined) return
      this.#entries.delete(kept)
      this.#quarantine.push({ event: kept.event, reason })
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #handOut(kept: Kept): SpoolKey {
    const key = ++this.#lastKey
    kept.key = key
    this.#handedOut.set(key, kept)
    return key
  }

  #takeBack(key: SpoolKey): Kept | undefined {
    const kept = this.#handedOut.get(key)
    if (kept === undefined) return undefined
    this.#handedOut.delete(key)
    kept.key = undefined
    return kept
  }

  async #whileOpen<T>(work: () => T): Promise<T> {
    if (this.#closed) throw new SpoolRefusal('unavailable', 'it is closed')
    return work()
  }
}
