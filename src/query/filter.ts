import { JSON, wallClock } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
import { TRAIL_CREDENTIAL } from '../event/self-rows.js'
import { formatTime } from '../event/time.js'
import { TRAIL_OPERATIONS } from '../event/vocabulary.js'
import { isShared } from '../host/own.js'
import { FILTER_FIELDS, type FilterField, type FilterName } from './filter-fields.js'
import { type Hours, parseHours, writtenHours } from './hours.js'
import { parseParameter } from './parameter.js'
import { isNarrow, type Term, termOf } from './term.js'
import { parseTime } from './time.js'

/**
 * What is asked of the trail. Text is exact; times are RFC 3339 or relative. Ids also as strings of digits. Of a column
 * also several values (`a,b`), and what is to be left out (`!a`); `\\,` and `\\!` are the characters themselves.
 */
export interface TrailFilter {
  /** Exactly, or how it begins followed by `*`. */
  readonly credential?: string | undefined
  readonly operation?: string | undefined
  /** `not-ok` for all but `ok`, `requested`, `started`, `stopped`, `mode_changed`, `hooked` and `wire`. */
  readonly outcome?: string | undefined
  readonly worker_id?: string | undefined
  readonly execution_id?: bigint | number | string | undefined
  readonly parent_execution_id?: bigint | number | string | undefined
  readonly actor_id?: string | undefined
  readonly actor_type?: string | undefined
  readonly source_address?: string | undefined
  readonly service_name?: string | undefined
  readonly service_instance_id?: string | undefined
  readonly trace_id?: string | undefined
  readonly server_region?: string | undefined
  readonly broker_region?: string | undefined
  readonly kek_version?: string | undefined
  /** `mo-fr 08:00-18:00 Europe/Berlin`; with `!` in front what is outside of them. */
  readonly hours?: string | undefined
  /** Whether rows about reads, exports, lifecycle and coverage are there. Default: when `credential` or `operation` names them. */
  readonly own?: 'include' | 'exclude' | undefined
  /** Inclusive. */
  readonly from?: Date | string | undefined
  /** Exclusive. */
  readonly to?: Date | string | undefined
  /** `true`, or the mark of an earlier page for the same set again. */
  readonly settled?: boolean | string | undefined
  /** Rows of a page, 1 to 10,000. */
  readonly limit?: number | string | undefined
  readonly cursor?: string | undefined
}

/** A filter whose values are checked, each in its one form. */
type Checked = { readonly [Name in FilterName]?: Name extends 'limit' ? number : string }

/** A filter that was checked, its times resolved. */
export interface ResolvedFilter {
  /** What a column may be. */
  readonly terms: Readonly<Record<string, Term>>
  /** The same as it is written. */
  readonly written: Readonly<Record<string, string>>
  readonly hours: Hours | undefined
  /** Whether what the trail writes of its own work is left out. */
  readonly withoutOwn: boolean
  /** µs since the Unix epoch, inclusive. */
  readonly from: number | undefined
  /** µs since the Unix epoch, exclusive. */
  readonly to: number | undefined
  readonly settled: boolean
  /** The mark that was asked for by name. */
  readonly mark: bigint | undefined
  readonly limit: number
  readonly cursor: string | undefined
  /** The filter as it was given, but for page and size: what a cursor belongs to. */
  readonly text: string
}

interface FilterOptions {
  /** Whether something else bounds what is read, so that no filter needs a window. */
  readonly isBounded?: boolean
  /** Without `from`, the window begins so long before `to` (default: now). */
  readonly windowMs?: number
}

const OF_THE_PAGE: ReadonlySet<string> = new Set<FilterName>(['limit', 'cursor'])

/**
 * Checks a filter.
 *
 * @param given values as texts (a query string, a command line) or of their own types
 * @param nowMs what relative times count from
 * @throws AuditError `AUDIT_INVALID_QUERY`, whose `field` names the parameter
 */
export function parseFilter(
  given: unknown,
  nowMs: number = wallClock(),
  { isBounded = false, windowMs }: FilterOptions = {},
): ResolvedFilter {
  const fields = checked(given)
  const { from, to, settled, limit, cursor, hours, own, ...written } = fields
  const until = micros(to, nowMs)
  const window = { from: micros(from, nowMs) ?? windowStart(until, nowMs, windowMs), to: until }
  if (window.from !== undefined && window.to !== undefined && window.from >= window.to) {
    throw new AuditError(
      'AUDIT_INVALID_QUERY',
      `from must be before to; ${formatTime(window.from)} is not before ${formatTime(window.to)}`,
      { field: 'from' },
    )
  }
  const terms = Object.fromEntries(Object.entries(written).map(([name, text]) => [name, termOf(name, text)]))
  const filter: ResolvedFilter = {
    ...window,
    terms,
    written,
    hours: hours === undefined ? undefined : parseHours(hours),
    withoutOwn: own === undefined ? !namesOwn(terms) : own === 'exclude',
    settled: settled !== undefined && settled !== 'false',
    mark: settled !== undefined && /^\d+$/.test(settled) ? BigInt(settled) : undefined,
    limit: limit ?? FILTER_FIELDS.limit.default,
    cursor,
    text: JSON.stringify(
      Object.entries(fields)
        .filter(([name]) => !OF_THE_PAGE.has(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  }
  if (!isBounded) requireWindow(filter)
  return filter
}

/** @throws AuditError `AUDIT_INVALID_QUERY` */
function checked(given: unknown): Checked {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new AuditError('AUDIT_INVALID_QUERY', 'filter must be an object', { field: 'filter' })
  }
  const fields = Object.entries<FilterField>(FILTER_FIELDS).flatMap(([name, field]) => {
    const value = isShared(given, name) ? undefined : (given as Readonly<Record<string, unknown>>)[name]
    return value === undefined ? [] : [[name, parseParameter(name, field, value)] as const]
  })
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(FILTER_FIELDS, name))
  if (unknown !== undefined) throw notAParameter(unknown)
  return Object.fromEntries(fields) as Checked
}

function micros(text: string | undefined, nowMs: number): number | undefined {
  return text === undefined ? undefined : parseTime(text, nowMs)
}

/** On a whole millisecond. */
function windowStart(
  until: number | undefined,
  nowMs: number,
  lengthMs: number | undefined,
): number | undefined {
  if (lengthMs === undefined) return undefined
  const endMs = until === undefined ? nowMs : Math.floor(until / 1000)
  return Math.max(0, endMs - lengthMs) * 1000
}

/** Whoever names what only the trail has means its own rows. */
export function namesOwn({ credential, operation }: ResolvedFilter['terms']): boolean {
  return (
    credential?.oneOf.some(({ kind, text }) => kind === 'is' && text === TRAIL_CREDENTIAL) === true ||
    operation?.oneOf.some(({ text }) => TRAIL_OPERATIONS.includes(text)) === true
  )
}

/** A filter as JSON, its times resolved: what the row about a read says. */
export function describeFilter(filter: ResolvedFilter): string {
  const { terms, written, hours, withoutOwn, from, to, settled, mark } = filter
  return JSON.stringify({
    ...written,
    ...(hours !== undefined && { hours: writtenHours(hours) }),
    // What goes without saying is not said.
    ...(withoutOwn === namesOwn(terms) && { own: withoutOwn ? 'exclude' : 'include' }),
    ...(from !== undefined && { from: formatTime(from) }),
    ...(to !== undefined && { to: formatTime(to) }),
    ...(settled && { settled: mark === undefined ? true : String(mark) }),
  })
}

/** A filter that no index serves reads what it filters: a window bounds that. */
function requireWindow({ terms, hours, from }: ResolvedFilter): void {
  if (from !== undefined || isNarrow(terms['credential']) || isNarrow(terms['execution_id'])) return
  const named = [...Object.keys(terms), ...(hours === undefined ? [] : ['hours'])]
  const field = named.find((name) => (FILTER_FIELDS[name as FilterName] as FilterField).needsWindow === true)
  if (field === undefined) return
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    `${field} alone would read the whole trail: add from (such as from=-30d), credential or execution_id`,
    { field },
  )
}

function notAParameter(field: string): AuditError {
  const hint = nearest(field, Object.keys(FILTER_FIELDS))
  const suggestion = hint === undefined ? '' : `; did you mean ${hint}?`
  return new AuditError(
    'AUDIT_INVALID_QUERY',
    `there is no parameter ${JSON.stringify(field.slice(0, 80))}${suggestion}`,
    { field },
  )
}
