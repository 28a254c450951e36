import { performance } from '../host/globals.js'
import { type AuditEvent, rekeyEvent } from '../event/event.js'
import { redateEvent } from '../event/redate.js'
import { eventDigest } from '../event/digest.js'
import { Outcome } from '../event/vocabulary.js'
import { invariant, moved, type Moves } from '../host/invariant.js'
import type { AuditMode, Ticket } from '../contract/ticket.js'
import type { BatchEntry, SetAside, SinkFault } from '../contract/sink.js'

/** How an event ended. */
export type Fate = 'stored' | 'refused' | 'dropped' | 'quarantined'

/** Where an event is on its way to its fate. */
export type Phase = 'waiting' | 'sent' | 'committed' | 'spooled' | 'settled'

const MOVES: Moves<Phase> = {
  waiting: ['sent', 'spooled', 'settled'],
  sent: ['waiting', 'committed', 'settled'],
  committed: ['settled'],
  spooled: [],
  settled: [],
}

/** Events that were accepted between two barriers. */
export interface Generation {
  /** How many of them have no fate yet. */
  open: number
  /** Called when they all have, and those before them. */
  readonly waiting: (() => void)[]
}

/** What an entry is besides an event of the application. */
export interface EntryRole {
  /** A row of the trail about itself. */
  readonly isOwn?: boolean
  /** A gap row that is lost is not a loss of its own: what it tells of is told by the next one. */
  readonly isToldAgain?: boolean
  /** It came from a spool or from another process, either of which may have sent it before. */
  readonly isReplay?: boolean
  /**
   * Its sender keeps it until it is told that it is stored: an event that is turned away, refused or given up is handed back,
   * and not lost. Its content and its time are what the sender will send again, so that it gets no id of another time.
   */
  readonly isHandedIn?: boolean
  readonly alike?: readonly AuditEvent[] | undefined
  readonly setAside?: readonly SetAside[] | undefined
  /** Told once, when the fate is known, or when only the spool has the event any more. */
  readonly onFate?: (fate: Fate | 'spooled', reason?: string) => void
}

const APPLICATION: EntryRole = Object.freeze({})

/** Bytes of an event beyond its free text: ids, times, names, digest, and what the arrays around them cost. */
const FIXED_BYTES = 384

/**
 * One event inside the exporter, from acceptance to its fate.
 *
 * ```
 *                  ┌── nothing of it is stored, or it is given up ──┐
 *                  ▼                                                │
 *   accepted ──► waiting ──────────── taken into a batch ────────► sent ──────► committed
 *                  │  │                                             │               │
 *   only the disk  │  └─ dropped ─┐                  found stored,  │               │ its caller
 *   has it         ▼              ▼                  refused, aside ▼               ▼ is told
 *               spooled        settled ◄────────────────────────────┴───────────────┘
 * ```
 *
 * {@link to} is the only place that changes the phase. `spooled` ends the entry, not the event: what comes back from
 * the spool is another entry.
 */
export class Entry implements BatchEntry {
  readonly ticket: Ticket
  /** `performance.now()` at acceptance. */
  readonly acceptedAt = performance.now()
  readonly bytes: number
  readonly role: EntryRole
  #phase: Phase = 'waiting'
  #lane: AuditMode
  #callerRefused = false
  #doubt: SinkFault | undefined
  #rekeyed: { event: AuditEvent; digest: Buffer } | undefined
  #isRedated = false

  /** The timer of its deadline. Written by `Callers`. */
  deadline: NodeJS.Timeout | undefined
  /** Which barriers wait for it. Written by `Fates`. */
  generation: Generation | undefined
  /** Its entry in the spool, which is removed only when its fate is known. Written by `Spooler`. */
  spoolKey: number | undefined
  /** Its neighbours in its lane of the queue, and the lane. Written by `Lane`. */
  previous: Entry | undefined
  next: Entry | undefined
  waitsIn: object | undefined
  /** Whether it is without a fate, and its neighbours among those that are. Written by `Pending`. */
  isPending = false
  older: Entry | undefined
  younger: Entry | undefined

  constructor(ticket: Ticket, role: EntryRole = APPLICATION) {
    ticket.submitted()
    this.ticket = ticket
    this.role = role
    this.#lane = ticket.mode
    this.bytes = sizeOf(ticket.event)
  }

  get event(): AuditEvent {
    return this.#rekeyed?.event ?? this.ticket.event
  }

  get digest(): Buffer {
    return this.#rekeyed?.digest ?? this.ticket.digest
  }

  /** Whether the secret was released: when its caller was refused, such a row must not appear; any other must not vanish. */
  get isRelease(): boolean {
    return this.ticket.event.outcome === Outcome.Ok
  }

  get mayBeStored(): boolean {
    return this.role.isReplay === true || this.#isRedated
  }

  get alike(): readonly AuditEvent[] | undefined {
    return this.role.alike
  }

  get setAside(): readonly SetAside[] | undefined {
    return this.role.setAside
  }

  get phase(): Phase {
    return this.#phase
  }

  /** Whether nothing more becomes of this entry. */
  get isOver(): boolean {
    return this.#phase === 'settled' || this.#phase === 'spooled'
  }

  /** The lane it waits in: a strict event whose caller is gone waits as async. */
  get lane(): AuditMode {
    return this.#lane
  }

  /** Whether its caller was told that it must not release the secret. */
  get callerRefused(): boolean {
    return this.#callerRefused
  }

  /** Why it is not known whether a send of it is stored. Only at the end: until then it is sent again. */
  get doubt(): SinkFault | undefined {
    return this.#doubt
  }

  /** The one place that changes the phase. Whoever takes an event on takes it out of its lane first. */
  to(next: Phase): void {
    invariant(this.waitsIn === undefined, 'an event went on while it waited in a lane')
    this.#phase = moved('an event', MOVES, this.#phase, next)
  }

  /** Nobody waits for it any more. */
  continueAsAsync(): void {
    invariant(this.waitsIn === undefined, 'an event changed its lane while it waited in one')
    this.#lane = 'async'
  }

  /** Its caller is being told that it must not release the secret. */
  refuseCaller(): void {
    invariant(this.#phase !== 'committed', 'a caller was refused although its row is committed')
    this.#callerRefused = true
  }

  /** It was sent, may be stored, and is not sent again. */
  leaveInDoubt(fault: SinkFault): void {
    invariant(this.#phase === 'sent', 'an event that was not sent was left in doubt')
    this.#doubt = fault
  }

  /** Gives the event another id, because a different event holds its own. */
  rekey(): void {
    invariant(this.#phase === 'sent', 'an event that was not sent got another id')
    // The same at each resend, whatever a gateway has added this time.
    const event = rekeyEvent(this.event, this.role.alike?.[0])
    this.#rekeyed = { event, digest: eventDigest(event) }
  }

  /** Whether its id is one of the store's time. */
  get isRedated(): boolean {
    return this.#isRedated
  }

  /** Whether it may get one. */
  get mayBeRedated(): boolean {
    return !this.#isRedated && this.role.isHandedIn !== true
  }

  /** Gives the event an id of the store's time, because the store has no place for its own. */
  redate(unixMs: number): void {
    invariant(
      this.#phase === 'sent' && !this.#isRedated,
      'an event got an id of another time twice, or unsent',
    )
    const event = redateEvent(this.event, unixMs)
    this.#rekeyed = { event, digest: eventDigest(event) }
    this.#isRedated = true
  }
}

/** Where events that wait are: those in memory only are lost when the process is killed. */
export function whereabouts(entries: readonly Entry[]): string {
  const onDisk = entries.filter(({ spoolKey }) => spoolKey !== undefined).length
  if (onDisk === 0) return 'held in memory'
  if (onDisk === entries.length) return 'on disk in the spool'
  return `${entries.length - onDisk} held in memory, ${onDisk} on disk in the spool`
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
