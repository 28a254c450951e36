import { wallClock } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import { isShared } from '../host/own.js'
import { AuditError } from '../errors.js'
import { type AuditFields, draftAccess, ownFields } from '../event/event.js'
import { eventTime } from '../event/time.js'
import { isVocabularyName, Outcome, typeName } from '../event/vocabulary.js'
import { claiming } from '../instrument/claim.js'
import type { Reservation } from '../instrument/recorder.js'
import { InnerAccesses } from './inner-accesses.js'
import type { RecordOptions } from './record-options.js'
import { redactReturned } from './redact.js'
import { SecretForms } from './secret-forms.js'

/** What is known before the access; the outcome is what `guard` finds out. */
export type GuardFields = Omit<AuditFields, 'outcome'>

/** Handed to the guarded function. */
export interface GuardedAccess {
  /**
   * Adds what becomes known on the way: the key version, the serving region, a note. A field that is given again is
   * replaced, `attributes` key by key.
   *
   * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field
   */
  readonly amend: (more: Partial<GuardFields>) => void
}

export interface GuardOptions extends RecordOptions {
  /** The outcome of an error. `undefined` leaves it to the error's `auditOutcome`, else `other`. */
  readonly outcomeOf?: ((error: unknown) => Outcome | undefined) | undefined
  /**
   * What happens when the value cannot be looked into (a stream, a function, an object with methods), and there are notes
   * or attributes that might contain it. `redact`, the default: they are replaced. `refuse`: the value is withheld, the
   * outcome is `other`, and `AUDIT_INVALID_EVENT` is thrown.
   */
  readonly opaque?: 'redact' | 'refuse' | undefined
}

interface Recorder {
  readonly reservation: Reservation
  record(fields: AuditFields, redacted: number): Promise<unknown>
}

export async function runGuarded<T>(
  given: GuardFields,
  fn: (access: GuardedAccess) => T | Promise<T>,
  options: GuardOptions,
  recorder: Recorder,
): Promise<T> {
  if (typeof fn !== 'function') {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'guard takes a function that fetches the secret: guard(fields, () => fetchSecret()); got ' +
        ((fn as unknown) instanceof Promise
          ? 'a promise: the access began before it could be recorded'
          : typeName(fn)),
      { field: 'fn' },
    )
  }
  let fields = checked(given)
  const access: GuardedAccess = {
    amend(more) {
      fields = amended(fields, more)
    },
  }
  const inner = new InnerAccesses()
  const claim = { kind: 'guard', guard: inner, auditId: recorder.reservation.auditId } as const
  const withInner: Recorder = {
    ...recorder,
    record: async (final, redacted) => recorder.record(await inner.settled(final), redacted),
  }
  let value: T
  try {
    value = await claiming(claim, () => fn(access))
  } catch (error) {
    await recordFailure({ ...fields, outcome: outcomeOf(error, options) }, error, withInner)
    throw error
  }
  const redaction = redactReturned(fields, value)
  if (options.opaque === 'refuse' && redaction !== undefined && new SecretForms(value).isOpaque) {
    const refusal = invalid(
      'notes',
      'or attributes may contain the returned value, which cannot be looked into',
    )
    await recordFailure({ ...fields, ...redaction.fields, outcome: Outcome.Other }, refusal, withInner)
    throw refusal
  }
  await withInner.record({ ...fields, ...redaction?.fields, outcome: Outcome.Ok }, redaction?.count ?? 0)
  return value
}

/** A checked copy that the caller cannot change: the record at the end must not fail for its fields. */
function checked(given: GuardFields): GuardFields {
  const fields = { ...given }
  if (Object.hasOwn(fields, 'outcome')) throw invalid('outcome', 'is determined by guard; it cannot be given')
  draftAccess({ ...fields, outcome: Outcome.Ok })
  const { occurredAt, attributes } = ownFields(fields)
  return {
    ...fields,
    occurredAt: occurredAt === undefined ? undefined : eventTime(occurredAt, wallClock()),
    attributes: attributes && { ...attributes },
  }
}

function amended(fields: GuardFields, given: Partial<GuardFields>): GuardFields {
  const more = ownFields(given)
  const known = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined))
  const replaced = checked({ ...fields, ...known })
  if (!more.attributes) return replaced
  return checked({ ...replaced, attributes: { ...fields.attributes, ...replaced.attributes } })
}

/** The caller sees `error` whatever becomes of its record: a failed audit write never masks a denial. */
async function recordFailure(fields: AuditFields, error: unknown, recorder: Recorder): Promise<void> {
  try {
    await recorder.record(fields, 0)
  } catch (auditError) {
    diag.error('otel-audit: a failed access could not be recorded', auditError)
    attach(auditError, error)
  }
}

function attach(auditError: unknown, error: unknown): void {
  if (typeof error !== 'object' || error === null) return
  try {
    Object.defineProperty(error, 'auditError', { value: auditError, configurable: true })
  } catch {
    // Frozen, sealed, or a proxy: it was logged.
  }
}

function outcomeOf(error: unknown, options: GuardOptions): Outcome {
  for (const ask of [() => options.outcomeOf?.(error), () => ownOutcome(error)]) {
    try {
      const candidate: unknown = ask()
      if (isVocabularyName(candidate) && candidate !== Outcome.Ok) return candidate as Outcome
    } catch (thrown) {
      diag.error('otel-audit: asking for the outcome of an error threw', thrown)
    }
  }
  return Outcome.Other
}

function ownOutcome(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || error instanceof AuditError) return undefined
  if (isShared(error, 'auditOutcome')) return undefined
  return (error as { auditOutcome?: unknown }).auditOutcome
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', `${field} ${message}`, { field })
}
