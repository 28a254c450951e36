import { diag as logger } from '@opentelemetry/api'

type Say = (message: string, ...details: readonly unknown[]) => void

const guarded =
  (level: 'error' | 'warn' | 'debug'): Say =>
  (message, ...details) => {
    try {
      logger[level](message, ...details)
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
})
