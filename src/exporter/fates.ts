import { JSON, clearTimeout, performance } from '../host/globals.js'
import { diag, guardedCall } from '../host/diagnostics.js'
import { isSanitized } from '../event/event.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { TicketRoute } from '../contract/pipeline.js'
import type { SinkFault } from '../contract/sink.js'
import type { Entry, Fate, Generation } from './entry.js'
import { Pending } from './pending.js'
import type { AuditQueue } from './queue.js'
import { RepeatedDenials } from './repeated-denials.js'
import type { GapLedger } from './self-report.js'

/** Told how every event ended. `auditId` is that of the record; a stored event may have been re-keyed. */
export type SettledListener = (auditId: bigint, fate: Fate) => void

/** Told of each event that is on disk in the spool from now on. `auditId` is that of the record. */
export type SpooledListener = (auditId: bigint) => void

/** Why an event was lost: what a gap row says. */
export type LossReason = 'queue_full' | 'closed' | 'rejected' | 'caller_refused'

/** Dropped events named one by one in a second; the others of it are only counted. */
const NAMED_DROPS_PER_SECOND = 10

/**
 * How many events are where. At every moment
 * `emitted + spoolIn = written + droppedAsync + failedStrict + quarantined + handedBack + pending + spoolOut`.
 */
export interface AuditStats {
  readonly emitted: number
  /** Came back from the spool, those that other processes left included. */
  readonly spoolIn: number
  /** In the spool, and not in memory any more. */
  readonly spoolOut: number
  readonly quarantined: number
  readonly written: number
  readonly droppedAsync: number
  readonly failedStrict: number
  /** Turned away, refused or given up, and their senders have them still. */
  readonly handedBack: number
  /** Waiting or in flight. */
  readonly pending: number
}

/** Who has to know of fates, besides the listeners of the application. */
export interface FatesObserver {
  /** Told of every stored event, before it gives up its place. */
  stored(entry: Entry): void
}

/**
 * The one place where an event's fate is written down: counted once, told once, its place in the queue given up.
 * What the *caller* is told is a different matter, and may come earlier: `Callers`.
 *
 * Each of them moves the event first: one that has its fate already does not get another, and is not counted again.
 */
export class Fates {
  readonly #queue: AuditQueue
  readonly #metrics: AuditMetrics
  readonly #gaps: GapLedger
  readonly #observer: FatesObserver
  readonly #listeners = new Set<SettledListener>()
  readonly #spooledListeners = new Set<SpooledListener>()
  readonly #pending = new Pending()
  readonly #generations = new Generations()
  readonly #denials = new RepeatedDenials()
  #second = 0
  #named = 0

  constructor(queue: AuditQueue, metrics: AuditMetrics, gaps: GapLedger, observer: FatesObserver) {
    this.#queue = queue
    this.#metrics = metrics
    this.#gaps = gaps
    this.#observer = observer
  }

  onSettled(listener: SettledListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onSpooled(listener: SpooledListener): () => void {
    this.#spooledListeners.add(listener)
    return () => this.#spooledListeners.delete(listener)
  }

  stats(): AuditStats {
    const metrics = this.#metrics
    return {
      emitted: metrics.total('records.emitted'),
      written: metrics.writes('written'),
      droppedAsync: metrics.writes('dropped_async'),
      failedStrict: metrics.writes('failed_strict'),
      pending: this.pending,
      quarantined: metrics.total('records.quarantined'),
      handedBack: metrics.total('records.handed_back'),
      spoolIn: metrics.total('spool.in'),
      spoolOut: metrics.total('spool.out'),
    }
  }

  /** An event came, and is accepted or turned away next. */
  emitted({ ticket }: Entry, route: TicketRoute): void {
    const metrics = this.#metrics
    metrics.count('records.emitted')
    if (route === 'direct') metrics.count('records.direct')
    if (ticket.redacted > 0) metrics.count('records.redacted', ticket.redacted)
    if (isSanitized(ticket.event)) metrics.count('records.sanitized')
    if (this.#denials.note(ticket.event, performance.now())) metrics.count('denials.repeated')
  }

  /** The event has its place in the queue. */
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
    return this.#pending.oldest
  }

  get pending(): number {
    return this.#pending.size
  }

  /** The events that have no fate. */
  unsettled(): readonly Entry[] {
    return this.#pending.all()
  }

  isPending(entry: Entry): boolean {
    return entry.isPending
  }

  /** Resolves when every event accepted so far has its fate. */
  barrier(): Promise<void> {
    return this.#generations.barrier()
  }

  stored(entry: Entry): void {
    entry.to('settled')
    this.#metrics.countWrite(entry.event, 'written')
    this.#observer.stored(entry)
    this.#settle(entry, 'stored')
  }

  /** The database can never store it. */
  refused(entry: Entry, fault: SinkFault): void {
    entry.to('settled')
    this.#countLoss(entry, 'refused', 'rejected', fault.message)
    this.#settle(entry, 'refused', fault.message)
  }

  /** The database can never store it, and it is kept aside. */
  quarantined(entry: Entry, fault: SinkFault): void {
    entry.to('settled')
    this.#metrics.count('records.quarantined')
    this.#name(entry, 'quarantined', fault.message)
    this.#settle(entry, 'quarantined')
  }

  /** The event is given up. */
  dropped(entry: Entry, reason: LossReason, message: string): void {
    entry.to('settled')
    this.#countLoss(entry, 'dropped', reason, message)
    this.#settle(entry, 'dropped')
  }

  /** The disk has the event, and memory lets go of it. Its fate is still to come. */
  spooled(entry: Entry): void {
    entry.to('spooled')
    this.#metrics.count('spool.out')
    this.#leave(entry)
    entry.role.onFate?.('spooled')
  }

  /** The event came back from the disk, and has its place. */
  returned(entry: Entry): void {
    this.#metrics.count('spool.in')
    this.accepted(entry)
  }

  /** An event that never got a place in the queue. */
  turnedAway(entry: Entry, reason: LossReason, message: string): void {
    entry.to('settled')
    this.#countLoss(entry, 'dropped', reason, message)
    this.#tell(entry, 'dropped', message)
  }

  #countLoss(entry: Entry, fate: Fate, reason: LossReason, message: string): void {
    if (entry.role.isHandedIn === true) return this.#metrics.count('records.handed_back')
    const status = entry.ticket.mode === 'strict' ? 'failed_strict' : 'dropped_async'
    this.#metrics.countWrite(entry.event, status)
    if (entry.role.isToldAgain !== true) this.#gaps.note(entry.event.auditId, reason)
    this.#name(entry, fate, message)
  }

  #settle(entry: Entry, fate: Fate, reason?: string): void {
    this.#leave(entry)
    this.#tell(entry, fate, reason)
  }

  #leave(entry: Entry): void {
    clearTimeout(entry.deadline)
    this.#queue.release(entry)
    this.#pending.delete(entry)
    this.#generations.leave(entry.generation)
  }

  #tell(entry: Entry, fate: Fate, reason?: string): void {
    entry.role.onFate?.(fate, reason)
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

/**
 * Barriers behind which everything must end that was accepted before them. Neither a barrier nor an event costs more
 * when there are many of either: an event only counts for the generation in which it came.
 */
export class Generations {
  /** Oldest first. The last one is that of the events that come now. */
  readonly #all: Generation[] = [{ open: 0, waiting: [] }]

  /** @returns what {@link leave} wants to have */
  enter(): Generation {
    const current = this.#current
    current.open++
    return current
  }

  /** An event has its fate. */
  leave(generation: Generation | undefined): void {
    if (generation === undefined) return
    generation.open--
    this.#passBarriers()
  }

  /** Resolves when all that have entered have left. */
  barrier(): Promise<void> {
    const current = this.#current
    const waited = new Promise<void>((resolve) => current.waiting.push(resolve))
    if (current.open > 0) this.#all.push({ open: 0, waiting: [] })
    this.#passBarriers()
    return waited
  }

  get #current(): Generation {
    const current = this.#all.at(-1)
    if (current === undefined) throw new TypeError('there is always a generation')
    return current
  }

  #passBarriers(): void {
    for (let first = this.#all[0]; first?.open === 0; first = this.#all[0]) {
      for (const pass of first.waiting.splice(0)) pass()
      if (this.#all.length === 1) return
      this.#all.shift()
    }
  }
}
