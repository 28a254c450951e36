import { diag as logger, DiagConsoleLogger } from '@opentelemetry/api'
import { hasLogger, hiddenApi } from './otel-api.js'

// Of the room's invariant: nothing of the application's that is called in the middle of a record can throw into it,
// neither its diagnostics logger nor its callbacks.

type Log = (message: string, ...details: readonly unknown[]) => void

const guarded =
  (level: 'error' | 'warn' | 'debug', isUnmissable = false): Log =>
  (message, ...details) => {
    try {
      logger[level](message, ...details)
      // This copy of the API does not have the application's logger then, and the loss would go unreported.
      const isUnheard = (level !== 'debug' && hiddenApi() !== undefined) || (isUnmissable && !hasLogger())
      if (isUnheard) new DiagConsoleLogger()[level](message, ...details)
    } catch {
      // The logger was the last place to report to.
    }
  }

/**
 * The diagnostics logger of OpenTelemetry. It is the application's, and called in the middle of a record: one that
 * throws changes nothing.
 */
export const diag = Object.freeze({
  error: guarded('error'),
  warn: guarded('warn'),
  debug: guarded('debug'),
  /** A warning that goes to stderr where the application has set no logger. */
  unmissable: guarded('warn', true),
})

/** Calls code of the application's in the middle of a record: when it throws, that is logged, and changes nothing. */
export function guardedCall(what: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    diag.error(`otel-audit: ${what} threw; records are not affected`, error)
  }
}

/** Runs `work` where nobody could catch what it throws. @returns whether it came to its end; else that is logged */
export function contained(what: string, work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    diag.error(`otel-audit: ${what} failed`, error)
    return false
  }
}
