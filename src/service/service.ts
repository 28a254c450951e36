import { wallClock } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import { checkFunction, checkMethod } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { AuditError } from '../errors.js'
import { type AuditFields, completeEvent, draftAccess, type EventDraft, ownFields } from '../event/event.js'
import type { AccessRecording } from '../instrument/recorder.js'
import { randomMachineId, SnowflakeGenerator } from '../event/snowflake.js'
import { eventTime } from '../event/time.js'
import { type Operation, Outcome } from '../event/vocabulary.js'
import { AuditSpan } from '../otel/audit-span.js'
import { checkDeadline, DEFAULT_DEADLINE_MS, deadlineBy, type DeadlinePolicy } from './deadline.js'
import { type GuardedAccess, type GuardFields, type GuardOptions, runGuarded } from './guard.js'
import { isStrictBy, parseSwitch, REQUIRED_VARIABLE, type StrictPolicy } from './mode.js'
import { NoopPipeline } from './noop-pipeline.js'
import type { AuditPipeline } from '../contract/pipeline.js'
import { noteUnclaimed, registeredPipeline } from './registry.js'
import { checkRecordOptions, type RecordOptions } from './record-options.js'
import { type EventPlace, ReservedId } from './reserved-id.js'
import type { Receipt } from '../contract/receipt.js'
import { Ticket } from '../contract/ticket.js'

export interface SecretAuditServiceOptions {
  /** Where records go. Default: the pipeline that is registered in this process when a record is made. */
  readonly pipeline?: AuditPipeline | undefined
  /** Which records are strict when the call does not say so. Default: those of the pipeline's policy, else none. */
  readonly strict?: boolean | StrictPolicy | undefined
  /** How long strict callers wait, in ms. Default: the pipeline's, else 5,000. */
  readonly deadlineMs?: DeadlinePolicy | undefined
}

/**
 * Records accesses to secrets. One per service is enough; making one costs nothing.
 *
 * Without a pipeline of its own it uses the one registered in this process (`otel-audit/register`, or
 * `createAudit(...).start()`), looked up at each record, so a library may make its service at import.
 */
export class SecretAuditService {
  readonly #pipeline: AuditPipeline | undefined
  readonly #strict: boolean | StrictPolicy | undefined
  readonly #deadlineMs: DeadlinePolicy | undefined
  /** By the environment; used when neither an option nor a policy decides. */
  #required = false
  #ownIds: SnowflakeGenerator | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(given: SecretAuditServiceOptions = {}) {
    const options = givenOptions(given)
    const { pipeline, strict, deadlineMs } = options
    if (pipeline !== undefined) checkMethod('pipeline', pipeline, 'submit')
    if (deadlineMs !== undefined && typeof deadlineMs !== 'function') checkDeadline(deadlineMs)
    if (strict !== undefined && typeof strict !== 'boolean') checkFunction('strict', strict)
    this.#pipeline = options.pipeline
    this.#strict = options.strict
    this.#deadlineMs = options.deadlineMs
  }

  /**
   * A service whose mode comes from the pipeline's policy; from `NOETL_SECRET_AUDIT_REQUIRED` where that has none.
   *
   * @throws AuditError `AUDIT_INVALID_OPTION` when the variable is neither a yes nor a no
   */
  static fromEnv(
    options: Omit<SecretAuditServiceOptions, 'strict'> = {},
    env: Readonly<Record<string, string | undefined>> = process.env,
  ): SecretAuditService {
    const service = new SecretAuditService(options)
    service.#required = parseSwitch(REQUIRED_VARIABLE, env[REQUIRED_VARIABLE])
    return service
  }

  /** A service that checks its calls, accepts every record, and keeps none. For tests and where audit is switched off. */
  static noop(): SecretAuditService {
    return new SecretAuditService({ pipeline: new NoopPipeline() })
  }

  /** Whether such an access is strict when the call does not say so. */
  isStrict(credential = '', operation: Operation | '' = ''): boolean {
    if (this.#strict !== undefined) return isStrictBy(this.#strict, credential, operation)
    const policy = this.#currentPipeline()?.policy
    if (policy === undefined) return this.#required
    return isStrictBy((...access) => policy.isStrict(...access), credential, operation)
  }

  /**
   * Records without waiting.
   *
   * @returns the audit id, at once. Whatever becomes of the write shows in metrics and `onSettled`, never here.
   * @throws AuditError `AUDIT_INVALID_EVENT` when the call itself is wrong
   */
  recordAsync(fields: AuditFields): bigint {
    return this.#recordAsync(fields, draftAccess(fields), 0)
  }

  /**
   * Records, and waits for the commit.
   *
   * @returns when the row is committed
   * @throws AuditError whose `row` says what is known; the secret must not be released
   */
  recordStrict(fields: AuditFields, options: Omit<RecordOptions, 'mode'> = {}): Promise<Receipt> {
    // Not `async`: where a context manager watches promises, each one costs a strict record 1 µs (2026-11-26).
    try {
      const checked = checkRecordOptions(options)
      return this.#recordStrict(fields, draftAccess(fields), checked, 0)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** {@link recordStrict} or {@link recordAsync}, as the mode says. @returns a receipt only in strict mode */
  async record(fields: AuditFields, options: RecordOptions = {}): Promise<Receipt | undefined> {
    return this.#record(fields, checkRecordOptions(options), 0)
  }

  /**
   * Runs `fn`, which fetches a secret, records how it ended, and returns the secret only when the record allows it.
   *
   * * `fn` returns: outcome `ok`. In strict mode the value is returned after the commit; when that fails the value is
   *   dropped and the `AuditError` is thrown.
   * * `fn` throws: the outcome is that of `outcomeOf`, else the error's `auditOutcome`, else `other`. The original
   *   error is what the caller sees; a failed audit write is attached to it as `auditError`.
   * * Texts that contain the returned value are replaced by `[redacted]`: `docs/guard.md` has the forms that are looked
   *   for. Notes and attributes are, too, when the value cannot be looked into.
   *
   * @throws AuditError `AUDIT_INVALID_EVENT` or `AUDIT_INVALID_OPTION` before `fn` runs, when fields or options are wrong
   */
  async guard<T>(
    fields: GuardFields,
    fn: (access: GuardedAccess) => T | Promise<T>,
    options: GuardOptions = {},
  ): Promise<T> {
    const checked = checkRecordOptions(options)
    const reservation = this.reservation()
    return runGuarded(fields, fn, checked, {
      reservation,
      record: (final, redacted) => this.#record(final, checked, redacted, reservation.taken),
    })
  }

  /** @internal */
  reservation(): ReservedId {
    return new ReservedId(() => {
      const now = wallClock()
      return {
        auditId: (this.#currentPipeline()?.ids ?? this.#fallbackIds()).next(now),
        occurredAt: now * 1000,
      }
    })
  }

  /** @internal */
  async recordAccess(
    rows: readonly AuditFields[],
    { mode, reservation, signal }: AccessRecording,
  ): Promise<void> {
    // All in one turn of the caller: so they share a batch, and with that a transaction.
    const answers = await Promise.allSettled(
      rows.map((fields, i) => {
        const reserved = i === 0 && reservation instanceof ReservedId ? reservation.taken : undefined
        return this.#record(fields, { mode, signal }, 0, reserved)
      }),
    )
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (failed === undefined) return
    for (const [i, answer] of answers.entries()) {
      const fields = rows[i]
      if (answer.status === 'rejected' || answer.value === undefined || fields === undefined) continue
      this.recordAsync({
        ...fields,
        outcome: Outcome.Withheld,
        attributes: { withheld: String(answer.value.auditId) },
      })
    }
    throw failed.reason
  }

  async #record(
    fields: AuditFields,
    options: RecordOptions,
    redacted: number,
    reserved?: EventPlace,
  ): Promise<Receipt | undefined> {
    const draft = draftAccess(fields)
    const strict =
      options.mode === undefined
        ? this.isStrict(fields.credential, fields.operation)
        : options.mode === 'strict'
    if (strict) return this.#recordStrict(fields, draft, options, redacted, reserved)
    this.#recordAsync(fields, draft, redacted, reserved)
    return undefined
  }

  #recordAsync(fields: AuditFields, draft: EventDraft, redacted: number, reserved?: EventPlace): bigint {
    const ticket = new Ticket<AuditPipeline>('async', 0, redacted)
    const opened = this.#open(fields, draft, ticket, reserved)
    this.#handOver(opened)
    opened.span.end()
    return ticket.event.auditId
  }

  #recordStrict(
    fields: AuditFields,
    draft: EventDraft,
    options: Omit<RecordOptions, 'mode'>,
    redacted: number,
    reserved?: EventPlace,
  ): Promise<Receipt> {
    const { credential, operation } = fields
    const deadlineMs = options.deadlineMs ?? this.#deadlineFor(credential, operation)
    const ticket = new Ticket<AuditPipeline>('strict', deadlineMs, redacted)
    const opened = this.#open(fields, draft, ticket, reserved)
    const answered = new Promise<Receipt>((resolve, reject) => {
      ticket.onAnswer((error, receipt) => {
        opened.span.end({ error, digest: ticket.digest, place: receipt?.place })
        if (receipt !== undefined) resolve(receipt)
        else reject(error)
      })
    })
    this.#handOver(opened)
    return options.signal === undefined ? answered : abandonable(answered, options.signal)
  }

  /** The order of becoming an event, once it is checked: id and time, span, trace ids, freeze, span event. */
  #open(
    fields: AuditFields,
    draft: EventDraft,
    ticket: Ticket<AuditPipeline>,
    reserved?: EventPlace,
  ): OpenRecord {
    const own = this.#currentPipeline()
    const { auditId, occurredAt } = reserved ?? this.#placeOf(fields, own)

    const span = own?.tracing === false ? AuditSpan.none() : AuditSpan.start(ticket, draft.operation, auditId)
    const pipeline = ticket.claimedBy ?? own
    const { serviceName, serviceInstanceId } = pipeline?.identity ?? {}
    const { traceId, spanId } = span.spanContext ?? {}
    ticket.seal(
      completeEvent(draft, { auditId, occurredAt, serviceName, serviceInstanceId, traceId, spanId }),
    )
    span.addEvent(ticket, pipeline?.auditLogDraft)
    return { ticket, span, pipeline }
  }

  #placeOf(fields: AuditFields, own: AuditPipeline | undefined): EventPlace {
    const now = wallClock()
    const given = ownFields(fields).occurredAt
    const occurredAt = given === undefined ? now * 1000 : eventTime(given, now)
    const ids = own?.ids ?? this.#fallbackIds()
    return { auditId: given === undefined ? ids.next(now) : ids.at(occurredAt / 1000), occurredAt }
  }

  #handOver({ ticket, span, pipeline }: OpenRecord): void {
    if (pipeline !== undefined) {
      span.markSubmitted()
      pipeline.submit(ticket, ticket.claimedBy === undefined ? 'direct' : 'trace')
      return
    }
    const { event } = ticket
    if (ticket.mode === 'strict') {
      ticket.deny(
        new AuditError('AUDIT_NO_PIPELINE', 'no audit pipeline is started in this process', { event }),
      )
    } else if (noteUnclaimed(event.operation, event.outcome)) {
      // Where the pipeline was not started, no logger is set either, as a rule: nothing else would report it.
      diag.warn(
        `otel-audit: no audit pipeline is started in this process; audit id ${event.auditId} (${event.operation}, ` +
          `${event.outcome}) was dropped, and all later ones will be. Start with --import otel-audit/register, ` +
          'or call createAudit(...).start().',
      )
    }
  }

  #currentPipeline(): AuditPipeline | undefined {
    return this.#pipeline ?? registeredPipeline()
  }

  #deadlineFor(credential: string, operation: string): number {
    if (this.#deadlineMs !== undefined) return deadlineBy(this.#deadlineMs, credential, operation)
    const policy = this.#currentPipeline()?.policy
    if (policy === undefined) return DEFAULT_DEADLINE_MS
    return deadlineBy((...access) => policy.deadlineMs(...access), credential, operation)
  }

  #fallbackIds(): SnowflakeGenerator {
    this.#ownIds ??= new SnowflakeGenerator(randomMachineId())
    return this.#ownIds
  }
}

/** A record on its way: everything is decided but the handing over. */
interface OpenRecord {
  readonly ticket: Ticket<AuditPipeline>
  readonly span: AuditSpan
  readonly pipeline: AuditPipeline | undefined
}

/** The caller may stop waiting; what it waited for goes on. */
function abandonable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason)
    if (signal.aborted) abandon()
    else signal.addEventListener('abort', abandon, { once: true })
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abandon))
  })
}
