import { serverVerdict } from '../../exporter/retry.js'
import type { SinkFault } from '../sink.js'

/** An answer of the server, as node-postgres throws it. */
interface ServerError extends Error {
  readonly code: string
  readonly severity?: string
  readonly constraint?: string
  readonly column?: string
}

/** Five characters from the server: everything else that node-postgres throws is of this side of the wire. */
export function isServerError(error: unknown): error is ServerError {
  if (!(error instanceof Error)) return false
  const { code, severity } = error as Partial<ServerError>
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && typeof severity === 'string'
}

// Shut down, crashed, not yet up, idle or transaction time-out: always FATAL. The word itself may be translated.
const ENDS_SESSION = new Set(['57P01', '57P02', '57P03', '57P05', '25P03', '25P04'])

/** FATAL and PANIC end the session, possibly after a commit: they say nothing about the statement. */
export function endsSession(error: ServerError): boolean {
  return error.severity === 'FATAL' || error.severity === 'PANIC' || ENDS_SESSION.has(error.code)
}

/** A row without a partition is 23514 without a constraint's name. */
export function isMissingPartition(error: unknown): boolean {
  return isServerError(error) && error.code === '23514' && error.constraint === undefined
}

/** Classes whose primary message can quote a value of the row. */
const QUOTES_VALUES = new Set(['22', '23', 'P0', 'XX'])

/**
 * What may leave the sink of an error: SQLSTATE and primary message, and not even that where it can quote a value.
 * `detail`, `where` and `hint` quote whole rows.
 */
export function withoutRowContents(error: unknown): Error & { readonly code?: string } {
  if (!isServerError(error)) {
    const message = error instanceof Error ? error.message : String(error)
    const code = (error as { code?: unknown } | undefined)?.code
    return Object.assign(new Error(message), typeof code === 'string' ? { code } : {})
  }
  const place = error.constraint ?? error.column
  const text = QUOTES_VALUES.has(error.code.slice(0, 2))
    ? `SQLSTATE ${error.code}${place === undefined ? '' : ` (${place})`}`
    : `${error.message} (SQLSTATE ${error.code})`
  return Object.assign(new Error(text), { code: error.code })
}

export function fault(code: SinkFault['code'], prefix: string, error: unknown): SinkFault {
  const cause = withoutRowContents(error)
  return { code, message: `${prefix}: ${cause.message}`, cause }
}

/** Whether an error, met before anything was sent, can be mended by a person only. */
export function isLasting(error: unknown): boolean {
  return isServerError(error) && serverVerdict(error.code) === 'lasting'
}
