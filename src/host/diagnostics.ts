import { diag as logger } from '@opentelemetry/api'
import { hasLogger, hiddenApi } from './otel-api.js'
import { toStderr } from './stderr.js'

// Of the room's invariant: nothing of the application's that is called in the middle of a record can throw into it,
// neither its diagnostics logger nor its callbacks.

/** Where this library says what happens to records: an option of `createAudit`. */
export interface AuditLogger {
  error(message: string, ...details: readonly unknown[]): void
  warn(message: string, ...details: readonly unknown[]): void
  debug?(message: string, ...details: readonly unknown[]): void
}

type Level = 'error' | 'warn' | 'debug'
type Log = (message: string, ...details: readonly unknown[]) => void

let given: AuditLogger | undefined

/** From now on everything goes to `logger`, in the whole process; `undefined`: as without one. */
export function useLogger(logger: AuditLogger | undefined): void {
  given = logger
}

/** Without a logger of the API, the variable that would make one decides what goes to stderr. */
function isQuiet(level: Level): boolean {
  const wanted = process.env.OTEL_LOG_LEVEL?.toUpperCase()
  return level === 'debug' || wanted === 'NONE' || (wanted === 'ERROR' && level === 'warn')
}

const guarded =
  (level: Level): Log =>
  (message, ...details) => {
    try {
      if (given !== undefined) return given[level]?.(message, ...details)
      logger[level](message, ...details)
      // Nobody has set a logger, or this copy of the API does not have the application's: the loss would go unreported.
      const isUnheard = !hasLogger() || hiddenApi() !== undefined
      if (isUnheard && !isQuiet(level)) toStderr(message, details)
    } catch {
      // The logger was the last place to report to.
    }
  }

/**
 * The logger that the application gave, else the diagnostics logger of OpenTelemetry, else, for errors and warnings, stderr.
 * It is the application's, and called in the middle of a record: one that throws changes nothing.
 */
export const diag = Object.freeze({
  error: guarded('error'),
  warn: guarded('warn'),
  debug: guarded('debug'),
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
