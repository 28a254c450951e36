import { errorText } from '../host/error-text.js'
import { AuditError } from '../errors.js'
import type { SinkFault } from '../contract/sink.js'
import { type ServerVerdict, serverVerdict } from './sqlstate.js'

/** An answer of the server, as node-postgres throws it. */
interface ServerError extends Error {
  readonly code: string
  readonly severity?: string
  readonly constraint?: string
  readonly column?: string
  /** The functions it came through. */
  readonly where?: string
  /** Where in the server's source it was raised. */
  readonly routine?: string
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

/** Classes of what a statement meets that lies outside of the rows: conflicts, resources, locks, operators, disks. */
const OUTSIDE_OF_ROWS = new Set(['40', '53', '55', '57', '58'])

/** Whether the same look-up may succeed later. */
export function mayPass({ code }: ServerError): boolean {
  return OUTSIDE_OF_ROWS.has(code.slice(0, 2))
}

/** Or somebody's `pg_cancel_backend`. */
export function isStatementTimeOut({ code }: ServerError): boolean {
  return code === '57014'
}

const LOCK_NOT_AVAILABLE = '55P03'
/**
 * Where a wait for the end of another transaction was given up: `while inserting index tuple (0,1) in relation "…"`, in the
 * server's language. A wait for the lock on a table has no such place, and one inside of a function has more lines.
 */
const AT_BLOCK = /^[^\n]*\(\d+,\d+\)[^\n]*"secret_audit_block[^"\n]*"[^\n]*$/

/** Somebody's open transaction has a block under the number of ours. */
export function isHeldBlock(error: ServerError): boolean {
  return error.code === LOCK_NOT_AVAILABLE && AT_BLOCK.test(error.where ?? '')
}

/** What `append-proof.sql` ends in when the store is not what it has to be: reading no name as one. */
const INVALID_NAME = '42602'

export function isUnproven(error: unknown): boolean {
  return isServerError(error) && error.code === INVALID_NAME
}

/** What `ensure_partition_for` says of an id that is outside the kept range. */
const OUTSIDE_KEPT_RANGE = '22023'

export function isOutsideKeptRange(error: unknown): boolean {
  return isServerError(error) && error.code === OUTSIDE_KEPT_RANGE
}

/** What the answer to an append says. A trigger of the owner's may raise any code, and means the row. */
export function verdictOf(error: ServerError): ServerVerdict {
  const verdict = serverVerdict(error.code)
  return verdict === 'lasting' && error.routine === 'exec_stmt_raise' ? 'data' : verdict
}

/** Classes whose primary message is the server's own, and quotes no value of a row. */
const SPEAKABLE = new Set([
  '08',
  '0A',
  '25',
  '26',
  '28',
  '3D',
  '3F',
  '40',
  '42',
  '53',
  '54',
  '55',
  '57',
  '58',
])
/** The innermost function is one of this library's. */
const OWN_FUNCTION = /^PL\/pgSQL function \S*\bsecret_audit_/

/** Text of an owner's function may quote whatever it was given. Its name stands in `where`. */
function isSpeakable({ code, where }: { code: string; where?: string | undefined }): boolean {
  return SPEAKABLE.has(code.slice(0, 2)) && (where === undefined || OWN_FUNCTION.test(where))
}

/**
 * What may leave the sink of an error: SQLSTATE and primary message, and not even that where it can quote a value.
 * `detail`, `where` and `hint` quote whole rows. An error of this library stays what it is, so that its code can be asked
 * for: it never quotes a row, and comes of a statement that has none.
 */
export function withoutRowContents(error: unknown): Error & { readonly code?: string } {
  if (error instanceof AuditError) return error
  if (!isServerError(error)) return ofThisSide(error)
  const place = error.constraint ?? error.column
  const text = isSpeakable(error)
    ? `${error.message} (SQLSTATE ${error.code})`
    : `SQLSTATE ${error.code}${place === undefined ? '' : ` (${place})`}`
  return Object.assign(new Error(text), { code: error.code })
}

/** An error of Node or node-postgres. One that stands for several (each address of a host) has no message itself. */
function ofThisSide(error: unknown): Error & { readonly code?: string } {
  const code = (error as { code?: unknown } | undefined)?.code
  const several = error instanceof AggregateError ? error.errors.map((one) => ofThisSide(one).message) : []
  const message = errorText(error)
  const text = message || several.join('; ') || String(code)
  return Object.assign(new Error(text), typeof code === 'string' ? { code } : {})
}

export function fault(code: SinkFault['code'], prefix: string, error: unknown): SinkFault {
  const cause = withoutRowContents(error)
  return { code, message: `${prefix}: ${cause.message}`, cause }
}

/** Classes of what a server says instead of letting somebody in: connection, login, database, resources, not up. */
const AT_THE_DOOR = new Set(['08', '28', '3D', '53', '57'])

/** Why there is no connection to write on. What was found wrong on one that is there is none of the network. */
export function connectionFault(error: unknown): SinkFault {
  const cause = withoutRowContents(error)
  const isInside =
    error instanceof AuditError || (isServerError(error) && !AT_THE_DOOR.has(error.code.slice(0, 2)))
  if (error instanceof AuditError && (error.code === 'AUDIT_SESSION' || error.code === 'AUDIT_TRAIL')) {
    // What is wrong stands elsewhere, and is not to be guessed from here.
    return { code: 'AUDIT_UNAVAILABLE', message: `${error.message}. ${error.remedy}`, cause }
  }
  return {
    code: 'AUDIT_UNAVAILABLE',
    message: isInside ? cause.message : `no connection: ${cause.message}`,
    cause,
  }
}

/** Whether an error, met before anything was sent, can be mended by a person only. */
export function isLasting(error: unknown): boolean {
  return isServerError(error) && serverVerdict(error.code) === 'lasting'
}
