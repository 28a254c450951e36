import { diag } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'

/** How long a strict caller waits for the commit by default, in ms. */
export const DEFAULT_DEADLINE_MS = 5000
/** The longest that a strict caller can wait, in ms: ten minutes. */
export const LONGEST_DEADLINE_MS = 600_000

/** How long strict callers wait, in ms: for all, or by credential and operation. */
export type DeadlinePolicy = number | ((credential: string, operation: string) => number)

function isDeadline(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= LONGEST_DEADLINE_MS
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkDeadline(value: unknown): void {
  if (isDeadline(value)) return
  const message = `deadlineMs must be more than 0 and at most ${LONGEST_DEADLINE_MS} ms`
  throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'deadlineMs' })
}

/** The deadline of a policy. When it throws, or returns what is not a deadline, that is logged, and the default used. */
export function deadlineBy(policy: DeadlinePolicy, credential: string, operation: string): number {
  try {
    const answer = typeof policy === 'function' ? policy(credential, operation) : policy
    if (isDeadline(answer)) return answer
    diag.error(
      `otel-audit: the deadline policy returned ${String(answer)}, which is not more than 0 and at most ` +
        `${LONGEST_DEADLINE_MS} ms; ${DEFAULT_DEADLINE_MS} ms are used`,
    )
  } catch (error) {
    diag.error(`otel-audit: the deadline policy threw; ${DEFAULT_DEADLINE_MS} ms are used`, error)
  }
  return DEFAULT_DEADLINE_MS
}
