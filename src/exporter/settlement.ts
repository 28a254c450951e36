import { diag, guardedCall } from '../host/diagnostics.js'
import { AuditError, type AuditErrorCode } from '../errors.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { RowPlace } from '../contract/ticket.js'
import type { SinkFault } from '../contract/sink.js'
import type { Entry, Fate } from './entry.js'
import type { GapLedger } from './gap.js'
import { Generations } from './generations.js'
import type { AuditQueue } from './queue.js'

/** Told how every event ended. `auditId` is that of the record; a stored event may have been re-keyed. */
export type SettledListener = (auditId: bigint, fate: Fate) => void

/** Told of each event that is on disk in the spool from now on. `auditId` is that of the record. */
export type SpooledListener = (auditId: bigint) => void

/** Why an event was lost: what a gap row says. */
export type LossReason = 'queue_full' | 'closed' | 'rejected' | 'caller_refused'

/** Dropped events named one by one in a second; the others of it are only counted. */
const NAMED_DROPS_PER_SECOND = 10

/**
 * The one place where an event's fate is written down: counted once, told once, its place in the queue given up.
 * What the *caller* is told is a different matter and may come earlier: {@link deny}.
 */
export class Settlement {
  readonly #queue: AuditQueue
  readonly #metrics: AuditMetrics
  readonly #gaps: GapLedger
  readonly #listeners = new Set<SettledListener>()
  readonly #spooledListeners = new Set<SpooledListener>()
  readonly #pending = new Set<Entry>()
  readonly #generations = new Generations()
  #second = 0
  #named = 0

  /** Told of every stored event, before anybody else. */
  onStored: ((entry: Entry) => void) | undefined
  /** Told of every accepted event whose caller was refused. */
  onDenied: ((entry: Entry) => void) | undefined

  constructor(queue: AuditQueue, metrics: AuditMetrics, gaps: GapLedger) {
    this.#queue = queue
    this.#metrics = metrics
    this.#gaps = gaps
  }

  onSettled(listener: SettledListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onSpooled(listener: SpooledListener): () => void {
    this.#spooledListeners.add(listener)
    return () => this.#spooledListeners.delete(listener)
  }

  accepted(entry: Entry): void {
    this.#pending.add(entry)
    entry.generation = this.#generations.enter()
  }

  /** The disk has the event. Memory may have it, too, and its fate is still to come. */
  onDisk(entry: Entry): void {
    for (const listener of this.#spooledListeners) {
      guardedCall('an onSpooled listener', () => listener(entry.ticket.event.auditId))
    }
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
    return this.#generations.barrier()
  }

  stored(entry: Entry, committedAt: number, place?: RowPlace): void {
    this.#metrics.countWrite(entry.event, 'written')
    this.onStored?.(entry)
    const { event, digest } = entry
    const receipt = { auditId: event.auditId, committedAt, digest, place }
    guardedCall('the answer to a strict record', () => entry.ticket.grant(receipt))
    this.#settle(entry, 'stored')
  }

  /** The database can never store it. */
  refused(entry: Entry, fault: SinkFault): void {
    this.deny(entry, fault)
    this.#countLoss(entry, 'refused', 'rejected', fault.message)
    this.#settle(entry, 'refused')
  }

  /** The database can never store it, and it is kept aside. */
  quarantined(entry: Entry, fault: SinkFault): void {
    this.#metrics.count('records.quarantined')
    this.#name(entry, 'quarantined', fault.message)
    this.#settle(entry, 'quarantined')
  }

  /** The event is given up. */
  dropped(entry: Entry, reason: LossReason, message: string): void {
    this.#countLoss(entry, 'dropped', reason, message)
    this.#settle(entry, 'dropped')
  }

  /** The disk has the event, and memory lets go of it. Its fate is still to come. */
  spooled(entry: Entry): void {
    this.#metrics.count('spool.out')
    this.#leave(entry)
    entry.onFate?.('spooled')
  }

  /** The event came back from the disk, and has its place. */
  returned(entry: Entry): void {
    this.#metrics.count('spool.in')
    this.accepted(entry)
  }

  /** An event that never got a place in the queue. */
  turnedAway(entry: Entry, code: 'AUDIT_QUEUE_FULL' | 'AUDIT_CLOSED', message: string): void {
    this.deny(entry, { code, message })
    this.#countLoss(entry, 'dropped', code === 'AUDIT_CLOSED' ? 'closed' : 'queue_full', message)
    this.#tell(entry, 'dropped')
  }

  /** Tells a waiting caller that it must not release the secret. The event itself may live on. */
  deny(entry: Entry, fault: { code: AuditErrorCode; message: string; cause?: unknown }): void {
    if (!entry.ticket.isWaiting) return
    entry.callerRefused = true
    clearTimeout(entry.deadline)
    this.#metrics.count('strict.denied')
    const { event } = entry.ticket
    const options = fault.cause === undefined ? { event } : { event, cause: fault.cause }
    const error = new AuditError(fault.code, fault.message, options)
    guardedCall('the answer to a strict record', () => entry.ticket.deny(error))
    if (this.#pending.has(entry)) this.onDenied?.(entry)
  }

  #countLoss(entry: Entry, fate: Fate, reason: LossReason, message: string): void {
    const status = entry.ticket.mode === 'strict' ? 'failed_strict' : 'dropped_async'
    this.#metrics.countWrite(entry.event, status)
    if (!entry.isToldAgain) this.#gaps.note(entry.event.auditId, reason)
    this.#name(entry, fate, message)
  }

  #settle(entry: Entry, fate: Fate): void {
    this.#leave(entry)
    this.#tell(entry, fate)
  }

  #leave(entry: Entry): void {
    entry.phase = 'settled'
    clearTimeout(entry.deadline)
    this.#queue.release(entry)
    this.#pending.delete(entry)
    this.#generations.leave(entry.generation)
  }

  #tell(entry: Entry, fate: Fate): void {
    entry.onFate?.(fate)
    for (const listener of this.#listeners) {
      guardedCall('an onSettled listener', () => listener(entry.ticket.event.auditId, fate))
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
