import type { AuditErrorCode } from '../errors.js'
import type { SinkFault } from '../contract/sink.js'
import type { Entry } from './entry.js'
import type { AuditQueue } from './queue.js'
import type { Settlement } from './settlement.js'

/** What refusing a caller needs to know of the writer. */
export interface DenialsHost {
  /** Why the database could not write last. */
  readonly lastFault: SinkFault | undefined
  /** Something new waits in the queue. */
  wake(): void
}

/** Strict callers who are refused while their events wait or are on their way: in time, or all of them. */
export class Denials {
  readonly #queue: AuditQueue
  readonly #settlement: Settlement
  readonly #host: DenialsHost
  /** Why nothing strict is granted. */
  #refusal: string | undefined

  constructor(queue: AuditQueue, settlement: Settlement, host: DenialsHost) {
    this.#queue = queue
    this.#settlement = settlement
    this.#host = host
  }

  /** Refuses the strict events that wait, and all that come, until it is told that there is no reason to. */
  refuseAll(reason: string | undefined): void {
    this.#refusal = reason
    if (reason === undefined) return
    for (const entry of this.#queue.strict()) this.arrived(entry)
  }

  /** A strict event waits. */
  arrived(entry: Entry): void {
    // What may be stored is not to be called not stored.
    if (this.#refusal === undefined || entry.doubt !== undefined) return
    this.#deny(entry, { code: 'AUDIT_SELF_TEST', message: this.#refusal })
  }

  /** The deadline of a strict event has passed. */
  expire(entry: Entry): void {
    const waited = `within ${entry.ticket.deadlineMs} ms`
    const fault = this.#host.lastFault
    if (entry.phase === 'sent' || entry.doubt !== undefined) {
      const message = `the database did not answer ${waited}`
      this.#settlement.deny(entry, { code: 'AUDIT_TIMEOUT', message, cause: fault?.cause })
      return
    }
    const message = `not written ${waited}${fault === undefined ? '' : `: ${fault.message}`}`
    this.#deny(entry, { code: 'AUDIT_UNAVAILABLE', message, cause: fault?.cause })
  }

  /** Nothing of it is stored. */
  #deny(entry: Entry, fault: { code: AuditErrorCode; message: string; cause?: unknown }): void {
    this.#settlement.deny(entry, fault)
    if (entry.event.outcome === 'ok') {
      this.#queue.remove(entry)
      this.#settlement.dropped(entry, 'caller_refused', 'its caller was refused, and it is not stored')
    } else {
      // A denial must not vanish.
      this.#queue.demote(entry)
      this.#host.wake()
    }
  }
}
