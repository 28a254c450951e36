import { diag } from '../diagnostics.js'
import { AuditError, type AuditErrorCode } from '../errors.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { SinkFault } from '../sink/sink.js'
import type { Entry, Fate } from './entry.js'
import type { AuditQueue } from './queue.js'

/** Told how every event ended. `auditId` is that of the record; a stored event may have been re-keyed. */
export type SettledListener = (auditId: bigint, fate: Fate) => void

/** Dropped events named one by one in a second; the others of it are only counted. */
const NAMED_DROPS_PER_SECOND = 10

/**
 * The one place where an event's fate is written down: counted once, told once, its place in the queue given up.
 * What the *caller* is told is a different matter and may come earlier: {@link deny}.
 */
export class Settlement {
  readonly #queue: AuditQueue
  readonly #metrics: AuditMetrics
  readonly #listeners = new Set<SettledListener>()
  readonly #pending = new Set<Entry>()
  readonly #barriers = new Set<{ readonly open: Set<Entry>; resolve: () => void }>()
  #second = 0
  #named = 0

  constructor(queue: AuditQueue, metrics: AuditMetrics) {
    this.#queue = queue
    this.#metrics = metrics
  }

  onSettled(listener: SettledListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  accepted(entry: Entry): void {
    this.#pending.add(entry)
  }

  /** The event that has been without a fate for longest. */
  get oldest(): Entry | undefined {
    for (const entry of this.#pending) return entry
    return undefined
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Resolves when every event accepted so far has its fate. */
  barrier(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#barriers.add({ open: new Set(this.#pending), resolve }))
  }

  stored(entry: Entry, committedAt: number): void {
    this.#metrics.countWrite(entry.event, 'written')
    entry.ticket.grant({ auditId: entry.event.auditId, committedAt })
    this.#settle(entry, 'stored')
  }

  refused(entry: Entry, fault: SinkFault): void {
    this.deny(entry, fault)
    this.#lost(entry, 'refused', fault.message)
  }

  /** The event is given up. */
  dropped(entry: Entry, reason: string): void {
    this.#lost(entry, 'dropped', reason)
  }

  /** An event that never got a place in the queue. */
  turnedAway(entry: Entry, code: 'AUDIT_QUEUE_FULL' | 'AUDIT_CLOSED', message: string): void {
    this.deny(entry, { code, message })
    this.#countLoss(entry, 'dropped', message)
    this.#tell(entry, 'dropped')
  }

  /** Tells a waiting caller that it must not release the secret. The event itself may live on. */
  deny(entry: Entry, fault: { code: AuditErrorCode; message: string; cause?: unknown }): void {
    if (!entry.ticket.isWaiting) return
    this.#metrics.count('strict.denied')
    const { event } = entry.ticket
    const options = fault.cause === undefined ? { event } : { event, cause: fault.cause }
    entry.ticket.deny(new AuditError(fault.code, fault.message, options))
  }

  #lost(entry: Entry, fate: Fate, reason: string): void {
    this.#countLoss(entry, fate, reason)
    this.#settle(entry, fate)
  }

  #countLoss(entry: Entry, fate: Fate, reason: string): void {
    const status = entry.ticket.mode === 'strict' ? 'failed_strict' : 'dropped_async'
    this.#metrics.countWrite(entry.event, status)
    this.#name(entry, fate, reason)
  }

  #settle(entry: Entry, fate: Fate): void {
    entry.phase = 'settled'
    clearTimeout(entry.deadline)
    this.#queue.release(entry)
    this.#pending.delete(entry)
    for (const barrier of this.#barriers) {
      barrier.open.delete(entry)
      if (barrier.open.size > 0) continue
      this.#barriers.delete(barrier)
      barrier.resolve()
    }
    this.#tell(entry, fate)
  }

  #tell(entry: Entry, fate: Fate): void {
    entry.onFate?.(fate)
    for (const listener of this.#listeners) {
      try {
        listener(entry.ticket.event.auditId, fate)
      } catch (error) {
        diag.error('otel-audit: an onSettled listener threw', error)
      }
    }
  }

  /** A loss is said with its identity where somebody can trace it, at a bounded rate. */
  #name(entry: Entry, fate: Fate, reason: string): void {
    const second = Math.floor(performance.now() / 1000)
    if (second !== this.#second) {
      if (this.#named > NAMED_DROPS_PER_SECOND) {
        diag.error(`otel-audit: ${this.#named - NAMED_DROPS_PER_SECOND} more audit events were lost`)
      }
      this.#second = second
      this.#named = 0
    }
    if (++this.#named > NAMED_DROPS_PER_SECOND) return
    const { auditId, operation, outcome, credential } = entry.event
    diag.error(
      `otel-audit: audit event ${fate}: audit id ${auditId}, operation ${operation}, outcome ${outcome}, ` +
        `credential ${JSON.stringify(credential)}: ${reason}`,
    )
  }
}
