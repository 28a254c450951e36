import type { AuditError } from '../errors.js'
import { eventDigest } from '../event/digest.js'
import type { AuditEvent } from '../event/event.js'
import { checkChoice } from '../host/check.js'
import { invariant } from '../host/invariant.js'
import { checkDuration } from '../host/timers.js'
import { type Receipt, StoredReceipt, type StoredRow } from './receipt.js'

/** What a strict caller is told: exactly one of the two. */
export type TicketAnswer = (error: AuditError | undefined, receipt: Receipt | undefined) => void

export type AuditMode = 'strict' | 'async'

/** What a span processor needs of a ticket: to say that its pipeline takes it. */
export interface Claimable<Pipeline extends object = object> {
  /** A probe only asks whether a processor is there; its span must not be exported. */
  readonly isProbe: boolean
  /** @returns false when another pipeline was first */
  claim(pipeline: Pipeline): boolean
}

/**
 * Carries one event from the helper to the pipeline that stores it.
 *
 * The helper owns it until it is submitted: it makes the ticket, puts it into the Context of the audit span, and
 * seals it with the finished event. A span processor may claim it in between (the first claim wins). From
 * submission on it belongs to the pipeline, which answers it exactly once.
 *
 * An answer is what the *caller* is told. The fate of the *event* may be known later, and is the pipeline's to count.
 */
export class Ticket<Pipeline extends object = object> implements Claimable<Pipeline> {
  readonly isProbe = false
  readonly mode: AuditMode
  /** How long the caller waits, in ms. Strict only. */
  readonly deadlineMs: number
  /** Fields that were redacted before the event was made. */
  readonly redacted: number
  #claimedBy: Pipeline | undefined
  #event: AuditEvent | undefined
  #digest: Buffer | undefined
  #answer: TicketAnswer | undefined
  #isSubmitted = false

  /** @throws AuditError `AUDIT_INVALID_OPTION` for a mode that is not one, and a strict deadline that cannot be waited for */
  constructor(mode: AuditMode, deadlineMs: number, redacted: number) {
    if (mode !== 'async') {
      checkChoice('mode', mode, ['strict', 'async'])
      checkDuration('deadlineMs', deadlineMs)
    }
    this.mode = mode
    this.deadlineMs = deadlineMs
    this.redacted = redacted
  }

  /** The finished event. Only after {@link seal}. */
  get event(): AuditEvent {
    if (this.#event === undefined) throw new TypeError('the ticket has not been sealed with its event')
    return this.#event
  }

  /** SHA-256 of the event, computed when first asked for: off the caller's path except in strict mode. */
  get digest(): Buffer {
    this.#digest ??= eventDigest(this.event)
    return this.#digest
  }

  get claimedBy(): Pipeline | undefined {
    return this.#claimedBy
  }

  claim(pipeline: Pipeline): boolean {
    this.#claimedBy ??= pipeline
    return this.#claimedBy === pipeline
  }

  /** @throws Error when it has an event already */
  seal(event: AuditEvent): void {
    invariant(this.#event === undefined, 'a ticket was sealed twice')
    this.#event = event
  }

  /** Its pipeline has it: nothing about it may change any more. */
  submitted(): void {
    this.#isSubmitted = true
  }

  /** Whom to tell. @throws Error once the ticket is submitted: the answer may have been given to nobody */
  onAnswer(answer: TicketAnswer): void {
    invariant(!this.#isSubmitted, 'a ticket got somebody to answer after it was submitted')
    this.#answer = answer
  }

  /** Whether somebody still waits for the answer. */
  get isWaiting(): boolean {
    return this.#answer !== undefined
  }

  grant(row: StoredRow): void {
    this.#take()?.(undefined, new StoredReceipt(row))
  }

  deny(error: AuditError): void {
    this.#take()?.(error, undefined)
  }

  #take() {
    const answer = this.#answer
    this.#answer = undefined
    return answer
  }
}
