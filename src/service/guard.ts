import { diag } from '@opentelemetry/api'
import { AuditError } from '../errors.js'
import { type AuditFields, draftEvent } from '../event/event.js'
import { isVocabularyName, Outcome } from '../event/vocabulary.js'
import { redactReturned } from './redact.js'
import type { RecordOptions } from './service.js'

/** What is known before the access; the outcome is what `guard` finds out. */
export type GuardFields = Omit<AuditFields, 'outcome'>

/** Handed to the guarded function. */
export interface GuardedAccess {
  /**
   * Adds what becomes known on the way: the key version, the serving region, a note.
   *
   * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field
   */
  amend(more: Partial<GuardFields>): void
}

export interface GuardOptions extends RecordOptions {
  /** The outcome of an error. `undefined` leaves it to the error's `auditOutcome`, else `other`. */
  readonly outcomeOf?: ((error: unknown) => Outcome | undefined) | undefined
}

interface Recorder {
  record(fields: AuditFields, redacted: number): Promise<unknown>
}

export async function runGuarded<T>(
  given: GuardFields,
  fn: (access: GuardedAccess) => T | Promise<T>,
  options: GuardOptions,
  recorder: Recorder,
): Promise<T> {
  let fields = checked(given)
  const access: GuardedAccess = {
    amend(more) {
      fields = checked({ ...fields, ...more })
    },
  }
  let value: T
  try {
    value = await fn(access)
  } catch (error) {
    await recordFailure({ ...fields, outcome: outcomeOf(error, options) }, error, recorder)
    throw error
  }
  const redaction = redactReturned(fields, value)
  await recorder.record({ ...fields, ...redaction?.fields, outcome: Outcome.Ok }, redaction?.count ?? 0)
  return value
}

function checked(fields: GuardFields): GuardFields {
  draftEvent({ ...fields, outcome: Outcome.Ok })
  return fields
}

/** The caller sees `error` whatever becomes of its record: a failed audit write never masks a denial. */
async function recordFailure(fields: AuditFields, error: unknown, recorder: Recorder): Promise<void> {
  try {
    await recorder.record(fields, 0)
  } catch (auditError) {
    diag.error('otel-audit: a failed access could not be recorded', auditError)
    if (typeof error === 'object' && error !== null && Object.isExtensible(error)) {
      Object.defineProperty(error, 'auditError', { value: auditError, configurable: true })
    }
  }
}

function outcomeOf(error: unknown, options: GuardOptions): Outcome {
  for (const candidate of [askedOutcome(error, options), ownOutcome(error)]) {
    if (isVocabularyName(candidate) && candidate !== Outcome.Ok) return candidate as Outcome
  }
  return Outcome.Other
}

function askedOutcome(error: unknown, options: GuardOptions): unknown {
  try {
    return options.outcomeOf?.(error)
  } catch (thrown) {
    diag.error('otel-audit: outcomeOf threw; the outcome is taken from the error itself', thrown)
    return undefined
  }
}

function ownOutcome(error: unknown): unknown {
  if (error instanceof AuditError || typeof error !== 'object' || error === null) return undefined
  return (error as { auditOutcome?: unknown }).auditOutcome
}
