import { AuditError } from '../../errors.js'
import { wallClock } from '../../host/globals.js'
import { parseTime } from '../time.js'

/** What a review is of: µs since the Unix epoch, the end exclusive. */
export interface ReviewWindow {
  /** For the name of its files: `2026Q3`, or its first and last day. */
  readonly label: string
  readonly from: number
  readonly to: number
}

/** What can be given: a quarter, or when it begins and ends. */
export interface GivenWindow {
  readonly quarter?: string | undefined
  readonly from?: string | undefined
  /** Default: now. */
  readonly to?: string | undefined
}

const MONTHS = 3

/**
 * The window of a review. Quarters are those of the calendar, in UTC.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` for what is not one, naming the parameter
 */
export function reviewWindow({ quarter, from, to }: GivenWindow, nowMs: number = wallClock()): ReviewWindow {
  if (quarter !== undefined) {
    if (from !== undefined || to !== undefined) throw invalid('quarter', 'already says from and to')
    return ofQuarter(quarter)
  }
  if (from === undefined) throw invalid('from', 'or quarter must be given')
  const window = { from: timeOf('from', from, nowMs), to: timeOf('to', to ?? 'now', nowMs) }
  if (window.from >= window.to) throw invalid('from', 'must be before to')
  return { ...window, label: `${dayOf(window.from)}-to-${dayOf(window.to - 1)}` }
}

function ofQuarter(text: string): ReviewWindow {
  const [, year, number] = /^(\d{4})-?Q([1-4])$/i.exec(text) ?? []
  const isInRange = Number(year) >= 1970 && Number(year) < 2255
  if (year === undefined || !isInRange)
    throw invalid('quarter', 'must be a quarter of a year, such as 2026Q3')
  const month = (Number(number) - 1) * MONTHS
  return {
    label: `${year}Q${number}`,
    from: Date.UTC(Number(year), month, 1) * 1000,
    to: Date.UTC(Number(year), month + MONTHS, 1) * 1000,
  }
}

function timeOf(field: string, text: string, nowMs: number): number {
  const micros = parseTime(text, nowMs)
  if (micros !== undefined) return micros
  throw invalid(
    field,
    'must be an RFC 3339 time such as 2026-07-01T00:00:00Z, a date, or how long ago, such as -90d',
  )
}

function dayOf(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString().slice(0, 10)
}

function invalid(field: string, problem: string): AuditError {
  return new AuditError('AUDIT_INVALID_QUERY', `${field} ${problem}`, { field })
}
