import { AuditError } from '../errors.js'
import { SNOWFLAKE_EPOCH_MS, SNOWFLAKE_LAST_MS } from './snowflake.js'

/** How far ahead of the clock an event's time may be. */
const MAX_AHEAD_MS = 24 * 60 * 60 * 1000

/**
 * The time of an event in µs since the Unix epoch, from what the caller gave.
 *
 * @param nowMs the wall clock, ms since the Unix epoch
 * @throws AuditError `AUDIT_INVALID_EVENT` for another type, an invalid date, a time before 2024 (ids cannot
 *   express it) or more than 24 h ahead
 */
export function eventTime(given: unknown, nowMs: number): number {
  const micros = microseconds(given)
  const ms = Math.floor(micros / 1000)
  if (ms < SNOWFLAKE_EPOCH_MS || ms > SNOWFLAKE_LAST_MS) {
    throw invalid(`must be between 2024 and 2093; ${micros} µs is not (were milliseconds given?)`)
  }
  if (ms > nowMs + MAX_AHEAD_MS) throw invalid('must not be more than 24 h ahead of the clock')
  return micros
}

/** A `Date`, or integer µs since the Unix epoch, in µs. @throws AuditError `AUDIT_INVALID_EVENT` for anything else */
export function microseconds(given: unknown): number {
  const micros = given instanceof Date ? given.getTime() * 1000 : given
  if (typeof micros === 'number' && Number.isSafeInteger(micros)) return micros
  throw invalid('must be a Date or an integer number of microseconds since the Unix epoch')
}

/** µs since the Unix epoch as RFC 3339 with all six digits, in UTC. */
export function formatTime(micros: number): string {
  const fraction = String(micros % 1_000_000).padStart(6, '0')
  return `${new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19)}.${fraction}Z`
}

function invalid(message: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', `occurredAt ${message}`, { field: 'occurredAt' })
}
