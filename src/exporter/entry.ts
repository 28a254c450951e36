import { type AuditEvent, rekeyEvent } from '../event/event.js'
import { eventDigest } from '../event/digest.js'
import type { Ticket } from '../contract/ticket.js'
import type { BatchEntry, SinkFault } from '../contract/sink.js'
import type { Generation } from './generations.js'

/** How an event ended. */
export type Fate = 'stored' | 'refused' | 'dropped' | 'quarantined'

/** Bytes of an event beyond its free text: ids, times, names, digest, and what the arrays around them cost. */
const FIXED_BYTES = 384

/**
 * One event inside the exporter, from acceptance to its fate.
 *
 * `queued` → `sent` → `settled`; back from `sent` to `queued` only when it is *known* that nothing was stored.
 * Owned by the queue while queued, by the group commit while sent.
 */
export class Entry implements BatchEntry {
  readonly ticket: Ticket
  /** `performance.now()` at acceptance. */
  readonly acceptedAt = performance.now()
  readonly bytes: number
  readonly isOwn: boolean
  /** The lane it waits in: a strict event whose caller is gone waits as async. */
  lane: 'strict' | 'async'
  phase: 'queued' | 'sent' | 'settled' = 'queued'
  deadline: NodeJS.Timeout | undefined
  /** Which barriers wait for it. */
  generation: Generation | undefined
  /** Its neighbours in its lane of the queue, and the lane: {@link Lane}'s own. */
  previous: Entry | undefined
  next: Entry | undefined
  waitsIn: object | undefined
  /** Its entry in the spool, which is removed only when its fate is known. */
  spoolKey: number | undefined
  /** Its caller was told that it must not release the secret. */
  callerRefused = false
  /** Why it is not known whether a send of it is stored. Only at the end: until then it is sent again. */
  doubt: SinkFault | undefined
  /** A gap row that is lost is no loss of its own: what it tells of is told by the next one. */
  isToldAgain = false
  /** Told once, when the fate is known, or when only the spool has the event any more. */
  onFate: ((fate: Fate | 'spooled') => void) | undefined
  #rekeyed: { event: AuditEvent; digest: Buffer } | undefined

  /** @param isOwn a row of the trail about itself, not of the application */
  constructor(ticket: Ticket, isOwn = false) {
    this.ticket = ticket
    this.isOwn = isOwn
    this.lane = ticket.mode
    this.bytes = sizeOf(ticket.event)
  }

  get event(): AuditEvent {
    return this.#rekeyed?.event ?? this.ticket.event
  }

  get digest(): Buffer {
    return this.#rekeyed?.digest ?? this.ticket.digest
  }

  /** Gives the event another id, because a different event holds its own. */
  rekey(): void {
    const event = rekeyEvent(this.event)
    this.#rekeyed = { event, digest: eventDigest(event) }
  }
}

/** Each field by name: as a loop over a list of names it was a third of the time of making an entry. */
function sizeOf(event: AuditEvent): number {
  return (
    FIXED_BYTES +
    bytesOf(event.credential) +
    bytesOf(event.workerId) +
    bytesOf(event.serverRegion) +
    bytesOf(event.brokerRegion) +
    bytesOf(event.kekVersion) +
    bytesOf(event.notes) +
    bytesOf(event.actorId) +
    bytesOf(event.sourceAddress) +
    bytesOf(event.serviceName) +
    bytesOf(event.serviceInstanceId) +
    bytesOf(event.attributesJson)
  )
}

function bytesOf(text: string | null): number {
  return text === null ? 0 : Buffer.byteLength(text)
}
