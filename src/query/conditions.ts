import { FIELDS } from '../event/fields.js'
import { INT8_MAX } from '../event/int8.js'
import { firstIdOf } from '../event/snowflake.js'
import type { Position } from './cursor.js'
import type { ResolvedFilter } from './filter.js'

const HOUR_MS = 3_600_000
/** Ids have milliseconds: what is rounded must not fall out. */
const WIDENING_MS = HOUR_MS + 1000

/** Rows whose id is more than an hour off their time, in the words of the partial index `secret_audit_displaced`. */
const DISPLACED = `(occurred_at < to_timestamp((audit_id >> 22)::float8 / 1000 + 1704063600)
  or occurred_at > to_timestamp((audit_id >> 22)::float8 / 1000 + 1704070800))`

/** Values of a statement, and the places they have in its text. */
export class Values {
  readonly list: unknown[] = []

  /** @returns the placeholder */
  add(value: unknown, type: string): string {
    this.list.push(value)
    return `$${this.list.length}::${type}`
  }
}

const INT8: ReadonlySet<string> = new Set(
  FIELDS.filter(({ kind }) => kind === 'int8').map(({ column }) => column),
)

/** What a row must be: the part of a statement that a filter decides. */
export interface Conditions {
  readonly main: string
  /** Rows that `main` does not find, since their ids are far from their times: few, by an index of their own. */
  readonly displaced: string | undefined
}

/** What part of the trail is read besides the filter. */
export interface Range {
  readonly from?: Position['from']
  readonly to?: Position['to']
  /** Only rows with lower ids. */
  readonly below?: bigint | undefined
  /** Only rows with higher ids. */
  readonly above?: bigint | undefined
  /** Only rows of transactions below this one. */
  readonly mark?: bigint | undefined
  /** Only rows of this transaction and later ones. */
  readonly since?: bigint | undefined
}

/**
 * The conditions of a filter in a range.
 *
 * A window of time is the exact condition on `occurred_at`. So that only the partitions of that time are read, it is
 * also a range of ids, which are times: an hour wider on both sides. A row whose id is further off than that (a clock
 * stepped back by more than an hour, and ids go on from the highest so far; or a writer that is not ours) is found by a
 * second branch, through an index that has no other rows.
 */
export function conditions(filter: ResolvedFilter, range: Range, values: Values): Conditions {
  const all = [...ofFilter(filter, values), ...ofRange(range, values)]
  const { from, to } = range
  if (from === undefined && to === undefined) return { main: joined(all), displaced: undefined }
  const window = [
    ...(from === undefined ? [] : [`occurred_at >= ${timeAt(values.add(from, 'float8'))}`]),
    ...(to === undefined ? [] : [`occurred_at < ${timeAt(values.add(to, 'float8'))}`]),
  ]
  const first = from === undefined ? 0n : idAt(from, -WIDENING_MS)
  const last = to === undefined ? INT8_MAX : idAt(to, WIDENING_MS)
  const ids = [
    ...(first > 0n ? [`audit_id >= ${values.add(first, 'bigint')}`] : []),
    ...(last < INT8_MAX ? [`audit_id < ${values.add(last, 'bigint')}`] : []),
  ]
  if (ids.length === 0) return { main: joined([...all, ...window]), displaced: undefined }
  return {
    main: joined([...all, ...window, ...ids]),
    displaced: joined([...all, ...window, DISPLACED, `not (${ids.join(' and ')})`]),
  }
}

function ofFilter({ equals, credentialPrefix, notOk }: ResolvedFilter, values: Values): string[] {
  const parts = Object.entries(equals).map(
    ([column, value]) => `${column} = ${values.add(value, INT8.has(column) ? 'bigint' : 'text')}`,
  )
  // Says in the words of the partial index what the other conditions imply.
  if (notOk || (equals['outcome'] !== undefined && equals['outcome'] !== 'ok')) parts.push(`outcome <> 'ok'`)
  if (notOk) parts.push(`outcome not in ('started', 'stopped', 'mode_changed')`)
  if (credentialPrefix !== undefined && credentialPrefix !== '') {
    const pattern = `${credentialPrefix.replaceAll(/[\\%_]/g, '\\$&')}%`
    parts.push(`credential like ${values.add(pattern, 'text')}`)
  }
  return parts
}

function ofRange({ below, above, mark, since }: Range, values: Values): string[] {
  return [
    ...(below === undefined ? [] : [`audit_id < ${values.add(below, 'bigint')}`]),
    ...(above === undefined ? [] : [`audit_id > ${values.add(above, 'bigint')}`]),
    ...(mark === undefined ? [] : [`recorded_xid < ${values.add(mark, 'bigint')}`]),
    ...(since === undefined ? [] : [`recorded_xid >= ${values.add(since, 'bigint')}`]),
  ]
}

function joined(parts: readonly string[]): string {
  return parts.length === 0 ? 'true' : parts.join(' and ')
}

/** Exact to the microsecond, which `to_timestamp` is not. */
function timeAt(micros: string): string {
  return `'epoch'::timestamptz + ${micros} * interval '1 microsecond'`
}

function idAt(micros: number, plusMs: number): bigint {
  return firstIdOf(Math.floor(micros / 1000) + plusMs)
}
