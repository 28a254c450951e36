import { diag as logger, DiagConsoleLogger } from '@opentelemetry/api'
import { hasLogger, hiddenApi } from './otel-api.js'

type Say = (message: string, ...details: readonly unknown[]) => void

const guarded =
  (level: 'error' | 'warn' | 'debug', isUnmissable = false): Say =>
  (message, ...details) => {
    try {
      logger[level](message, ...details)
      // The user's logger is not ours to see then, and nobody would hear of a loss.
      const isUnheard = (level !== 'debug' && hiddenApi() !== undefined) || (isUnmissable && !hasLogger())
      if (isUnheard) new DiagConsoleLogger()[level](message, ...details)
    } catch {
      // There is nobody left to tell.
    }
  }

/**
 * The diagnostics logger of OpenTelemetry. It is the user's, and called in the middle of a record: one that throws
 * changes nothing.
 */
export const diag = Object.freeze({
  error: guarded('error'),
  warn: guarded('warn'),
  debug: guarded('debug'),
  /** A warning that goes to stderr where the application has set no logger. */
  unmissable: guarded('warn', true),
})

/** Calls code of the user's in the middle of a record: when it throws, that is said, and changes nothing. */
export function guardedCall(what: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    diag.error(`otel-audit: ${what} threw; records are not affected`, error)
  }
}
