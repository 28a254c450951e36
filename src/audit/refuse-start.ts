import { AuditError } from '../errors.js'
import { visible, visibleLines } from '../host/visible.js'

/**
 * Ends the process that was to run with the audit trail, and cannot: by message and remedy, which is what somebody who starts it
 * needs. Where the error is not one of ours, it is thrown as it is.
 */
export function refuseStart(error: unknown): never {
  if (!(error instanceof AuditError)) throw error
  process.stderr.write(`${visible(error.message)}\n${visibleLines(error.remedy.split('\n'))}\n`)
  process.exit(1)
}
