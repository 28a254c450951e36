import { clearTimeout, performance, setImmediate, setTimeout } from '../host/globals.js'
import { contained, guardedCall } from '../host/diagnostics.js'
import { AuditError, type AuditErrorCode } from '../errors.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { RowPlace } from '../contract/receipt.js'
import type { SinkFault } from '../contract/sink.js'
import type { Entry } from './entry.js'
import type { Fates, LossReason } from './fates.js'
import type { Writer } from './writer.js'
import type { AuditQueue } from './queue.js'

/** Callers that are refused in one turn of the event loop: thousands may have the same deadline. */
const EXPIRE_A_TURN = 256

const NOT_STORED = 'its caller was refused, and it is not stored'

/** Why a caller is refused. */
export interface Refusal {
  readonly code: AuditErrorCode
  readonly message: string
  readonly cause?: unknown
}

/** Who has to know of refused callers. */
export interface CallersObserver {
  /** The caller was refused, and its accepted event is not settled. */
  refused(entry: Entry): void
}

/** An event that is stored, and whose caller has not been told. */
interface Untold {
  readonly entry: Entry
  readonly committedAt: number
  readonly place: RowPlace | undefined
}

/**
 * What strict callers are told: each is answered once, in time.
 *
 * A caller is granted when its row is committed: when the next batch is on its way, or nobody waits. It is refused at
 * its deadline, when the database says that it cannot store the row, or while nothing strict is granted. What becomes
 * of the event of a refused caller depends on its outcome: a release must not appear later on, a denial must not
 * vanish.
 */
export class Callers {
  readonly #queue: AuditQueue
  readonly #fates: Fates
  readonly #metrics: AuditMetrics
  readonly #writer: Writer
  readonly #observer: CallersObserver
  /** Why nothing strict is granted. */
  #closedBy: string | undefined
  readonly #untold: Untold[] = []
  #due: Entry[] = []

  constructor(
    queue: AuditQueue,
    fates: Fates,
    metrics: AuditMetrics,
    writer: Writer,
    observer: CallersObserver,
  ) {
    this.#queue = queue
    this.#fates = fates
    this.#metrics = metrics
    this.#writer = writer
    this.#observer = observer
  }

  /** How many rows are committed whose callers have not been told. */
  get owed(): number {
    return this.#untold.length
  }

  /** Looks at the time of a strict event from now on. The timer keeps the process alive: somebody waits. */
  watch(entry: Entry): void {
    entry.deadline = setTimeout(() => {
      if (this.#due.push(entry) === 1) setImmediate(() => this.#expireSome())
    }, entry.ticket.deadlineMs)
  }

  /** A strict event waits. */
  arrived(entry: Entry): void {
    // What may be stored is not to be called not stored.
    if (this.#closedBy === undefined || entry.doubt !== undefined) return
    this.#refuseWaiting(entry, { code: 'AUDIT_SELF_TEST', message: this.#closedBy })
  }

  /** Refuses the strict events that wait, and all that come, until it is told that there is no reason to. */
  refuseAll(reason: string | undefined): void {
    this.#closedBy = reason
    if (reason === undefined) return
    for (const entry of this.#queue.strict()) this.arrived(entry)
  }

  /** The row of `entry` is committed. */
  committed(entry: Entry, committedAt: number, place: RowPlace | undefined): void {
    clearTimeout(entry.deadline)
    entry.to('committed')
    this.#untold.push({ entry, committedAt, place })
  }

  /** Tells the first `count` of those whose rows are committed. Never throws. */
  tell(count = this.owed): void {
    for (const { entry, committedAt, place } of this.#untold.splice(0, count)) {
      contained('telling a caller', () => this.stored(entry, committedAt, place))
    }
  }

  /**
   * Tells those of the last batch while nobody waits. Callers who record again at once join one batch; but where telling
   * them takes longer than a write, half of them go first, so that the database works while the others are told. With
   * 64 callers and tracing that makes 1.3 times the rows a second; with a slow commit it would halve them.
   *
   * @param writeMs how long the last batch took
   */
  async tellIdle(writeMs: number): Promise<void> {
    const began = performance.now()
    this.tell(Math.ceil(this.owed / 2))
    if (this.owed === 0) return
    await turn()
    if (performance.now() - began > writeMs / 2) return
    this.tell()
    await turn()
  }

  /**
   * The row is stored: its caller may release the secret.
   *
   * @param digest of the row, where that is not the entry's: it has what a gateway added
   */
  stored(entry: Entry, committedAt: number, place?: RowPlace, digest = entry.digest): void {
    const { event } = entry
    const row = { auditId: event.auditId, committedAt, digest, place }
    guardedCall('the answer to a strict record', () => entry.ticket.grant(row))
    this.#fates.stored(entry)
  }

  /** The database can never store it. */
  refused(entry: Entry, fault: SinkFault): void {
    this.refuse(entry, fault)
    this.#fates.refused(entry, fault)
  }

  /** An event that never got a place in the queue. */
  turnedAway(entry: Entry, code: AuditErrorCode, reason: LossReason, message: string): void {
    this.#tellRefused(entry, { code, message })
    this.#fates.turnedAway(entry, reason, message)
  }

  /** Tells a waiting caller that it must not release the secret. The event itself may live on. */
  refuse(entry: Entry, why: Refusal): void {
    if (this.#tellRefused(entry, why)) this.#observer.refused(entry)
  }

  /**
   * Nothing of a sent event is stored.
   *
   * @param lasting its caller need not wait for another try
   * @returns whether it is to be sent again
   */
  notStored(entry: Entry, fault: SinkFault, lasting: boolean): boolean {
    if (entry.lane === 'async') return true
    if (lasting) this.refuse(entry, fault)
    return entry.ticket.isWaiting || this.#outlives(entry)
  }

  #expireSome(): void {
    const due = this.#due.slice(0, EXPIRE_A_TURN)
    this.#due = this.#due.slice(EXPIRE_A_TURN)
    if (this.#due.length > 0) setImmediate(() => this.#expireSome())
    for (const entry of due) contained('a deadline', () => this.#expire(entry))
  }

  #expire(entry: Entry): void {
    // Answered in the turn between; or committed in it, and the answer is on its way.
    if (!entry.ticket.isWaiting || entry.phase === 'committed') return
    const waited = `within ${entry.ticket.deadlineMs} ms`
    const fault = this.#writer.fault()
    if (entry.phase === 'sent' || entry.doubt !== undefined) {
      const message = `the database did not answer ${waited}`
      this.refuse(entry, { code: 'AUDIT_TIMEOUT', message, cause: fault?.cause })
      return
    }
    const message = `not written ${waited}${fault === undefined ? '' : `: ${fault.message}`}`
    this.#refuseWaiting(entry, { code: 'AUDIT_UNAVAILABLE', message, cause: fault?.cause })
  }

  /** It waits, and nothing of it is stored. */
  #refuseWaiting(entry: Entry, why: Refusal): void {
    this.refuse(entry, why)
    this.#queue.remove(entry)
    if (!this.#outlives(entry)) return
    this.#queue.enqueue(entry)
    this.#writer.wake()
  }

  /** Its caller was refused, and nothing of it is stored. @returns whether it lives on, as an async event */
  #outlives(entry: Entry): boolean {
    if (entry.isRelease) this.#fates.dropped(entry, 'caller_refused', NOT_STORED)
    else entry.continueAsAsync()
    return !entry.isRelease
  }

  /** @returns whether somebody waited */
  #tellRefused(entry: Entry, { code, message, cause }: Refusal): boolean {
    if (!entry.ticket.isWaiting) return false
    entry.refuseCaller()
    clearTimeout(entry.deadline)
    this.#metrics.count('strict.denied')
    const { event } = entry.ticket
    const error = new AuditError(code, message, cause === undefined ? { event } : { event, cause })
    guardedCall('the answer to a strict record', () => entry.ticket.deny(error))
    return true
  }
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
