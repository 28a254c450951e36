import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
import { isShared, unshared } from '../host/own.js'
import { checkDeadline } from './deadline.js'
import type { AuditMode } from '../contract/ticket.js'

export interface RecordOptions {
  /** Overrides the policy and `NOETL_SECRET_AUDIT_REQUIRED` for this record. */
  readonly mode?: AuditMode | undefined
  /** Overrides the deadline for this record, in ms: more than 0, at most ten minutes. */
  readonly deadlineMs?: number | undefined
  /** Ends the caller's wait. Never the write. */
  readonly signal?: AbortSignal | undefined
}

const KNOWN: ReadonlySet<string> = new Set(['mode', 'deadlineMs', 'signal', 'outcomeOf', 'opaque'])

/** Those of a guard, too. */
type Given = RecordOptions & { readonly outcomeOf?: unknown; readonly opaque?: unknown }

const NOTHING_GIVEN: Given = {}

/** The options without what somebody put on `Object.prototype`: that is not this caller's mode. */
function own<Options extends RecordOptions>(given: Options): Options {
  const { mode, deadlineMs, signal, outcomeOf, opaque } = NOTHING_GIVEN
  const isClean =
    mode === undefined &&
    deadlineMs === undefined &&
    signal === undefined &&
    outcomeOf === undefined &&
    opaque === undefined
  return isClean ? given : unshared(given)
}

/**
 * Checks the options of one record: a misspelt `mode` must not mean async.
 *
 * @returns the options that the caller gave
 * @throws AuditError `AUDIT_INVALID_OPTION`, naming the option
 */
export function checkRecordOptions<Options extends RecordOptions>(given: Options): Options {
  if (typeof given !== 'object' || given === null) throw invalid('options', 'must be an object')
  const options = own(given)
  for (const name in options) {
    if (KNOWN.has(name) || isShared(options, name)) continue
    const hint = nearest(name, KNOWN)
    throw invalid(name, `is not an option of a record${hint ? `; did you mean ${hint}?` : ''}`)
  }
  const { mode, deadlineMs, signal, outcomeOf, opaque } = options as Given
  if (mode !== undefined && mode !== 'strict' && mode !== 'async') {
    throw invalid('mode', "must be 'strict' or 'async'")
  }
  if (deadlineMs !== undefined) checkDeadline(deadlineMs)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw invalid('signal', 'must be an AbortSignal')
  }
  if (outcomeOf !== undefined && typeof outcomeOf !== 'function')
    throw invalid('outcomeOf', 'must be a function')
  if (opaque !== undefined && opaque !== 'redact' && opaque !== 'refuse') {
    throw invalid('opaque', "must be 'redact' or 'refuse'")
  }
  return options
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `${field} ${message}`, { field })
}
