import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
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

const KNOWN: ReadonlySet<string> = new Set(['mode', 'deadlineMs', 'signal', 'outcomeOf'])

/**
 * Checks the options of one record: a misspelt `mode` must not mean async.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`, naming the option
 */
export function checkRecordOptions(options: RecordOptions): void {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object')
  for (const name in options) {
    if (KNOWN.has(name)) continue
    const hint = nearest(name, KNOWN)
    throw invalid(name, `is not an option of a record${hint ? `; did you mean ${hint}?` : ''}`)
  }
  const { mode, deadlineMs, signal } = options
  if (mode !== undefined && mode !== 'strict' && mode !== 'async') {
    throw invalid('mode', "must be 'strict' or 'async'")
  }
  if (deadlineMs !== undefined) checkDeadline(deadlineMs)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw invalid('signal', 'must be an AbortSignal')
  }
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `${field} ${message}`, { field })
}
