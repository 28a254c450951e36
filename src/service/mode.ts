import { JSON } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'

/** Environment variable of the compliance switch. */
export const REQUIRED_VARIABLE = 'NOETL_SECRET_AUDIT_REQUIRED'

/** Which accesses are strict. Called once per record; must be quick and must not throw (a throw means strict). */
export type StrictPolicy = (credential: string, operation: string) => boolean

const ON = new Set(['1', 'true', 'yes', 'on'])
const OFF = new Set(['0', 'false', 'no', 'off', ''])

/**
 * Reads a switch: 1/true/yes/on and 0/false/no/off/empty, in any case. Absent means off.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` for any other value: an unreadable compliance switch must not mean *off*
 */
export function parseSwitch(variable: string, value: string | undefined): boolean {
  const word = (value ?? '').trim().toLowerCase()
  if (ON.has(word)) return true
  if (OFF.has(word)) return false
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `${variable} must be 1, true, yes, on, or 0, false, no, off (any case); got ${JSON.stringify(value)}`,
    { field: variable },
  )
}

/** Whether an access is strict. A policy that throws, or returns neither true nor false, means strict. */
export function isStrictBy(strict: boolean | StrictPolicy, credential: string, operation: string): boolean {
  if (typeof strict === 'boolean') return strict
  try {
    const answer: unknown = strict(credential, operation)
    if (typeof answer === 'boolean') return answer
    diag.error(
      `otel-audit: the strict policy returned ${typeof answer} instead of a boolean; the record is strict`,
    )
  } catch (error) {
    diag.error('otel-audit: the strict policy threw; the record is strict', error)
  }
  return true
}
