import { FIELDS } from '../event/fields.js'
import { INT8_MAX } from '../event/int8.js'
import { firstIdOf } from '../event/snowflake.js'
import type { Position } from './cursor.js'
import { ROUTINE_OPERATIONS } from '../event/vocabulary.js'
import type { ResolvedFilter } from './filter.js'
import { clock, type Hours } from './hours.js'
import { NOT_OK } from './parameter.js'
import { isWanted, type Match, NOT_DENIALS, type Term } from './term.js'

const HOUR_MS = 3_600_000
/** Ids have milliseconds: what is rounded must not fall out. */
const WIDENING_MS = HOUR_MS + 1000

/** Rows whose id is more than an hour off their time, in the words of the partial index `secret_audit_displaced`. */
export const DISPLACED = `(occurred_at < to_timestamp((audit_id >> 22)::float8 / 1000 + 1704063600)
  or occurred_at > to_timestamp((audit_id >> 22)::float8 / 1000 + 1704070800))`

/**
 * Whether a row was put here by another transaction than the one that it names: after a restore, a replication or an
 * UPDATE. What it names is a number of another server then, or anybody's, and says nothing about a mark of this one.
 * `xmin` has the lower 32 bits, also of a frozen row, and after pg_upgrade.
 */
export const FOREIGN = '((recorded_xid & 4294967295) <> xmin::text::bigint)'

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

/** Ids from `atLeast` up to, but without, `below`. */
export interface IdWindow {
  readonly atLeast?: bigint | undefined
  readonly below?: bigint | undefined
}

/** What part of the trail is read besides the filter. */
export interface Range extends IdWindow {
  readonly from?: Position['from']
  readonly to?: Position['to']
  /** Only rows with higher ids. */
  readonly above?: bigint | undefined
  /** Only rows of transactions below this one; and foreign ones, whose transactions ended somewhere else. */
  readonly mark?: bigint | undefined
  /** Only rows of this transaction and later ones, and no foreign ones. */
  readonly since?: bigint | undefined
  /** Where there may be rows that are {@link DISPLACED}. Undefined: anywhere. */
  readonly displacedIn?: readonly IdWindow[] | undefined
  /** What tells a foreign row, where it is not {@link FOREIGN}. */
  readonly foreign?: string | undefined
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
  const { atLeast, below } = idsOf(range)
  const ids = [
    ...(atLeast === undefined ? [] : [`audit_id >= ${values.add(atLeast, 'bigint')}`]),
    ...(below === undefined ? [] : [`audit_id < ${values.add(below, 'bigint')}`]),
  ]
  if (ids.length === 0) return { main: joined([...all, ...window]), displaced: undefined }
  const main = joined([...all, ...window, ...ids])
  const { displacedIn } = range
  if (displacedIn?.length === 0) return { main, displaced: undefined }
  const places =
    displacedIn === undefined ? [] : [`(${displacedIn.map((one) => within(one, values)).join(' or ')})`]
  return { main, displaced: joined([...all, ...window, DISPLACED, `not (${ids.join(' and ')})`, ...places]) }
}

/** The ids of a window of time, an hour wider on both sides. */
export function idsOf({ from, to }: Pick<Range, 'from' | 'to'>): IdWindow {
  const first = from === undefined ? 0n : idAt(from, -WIDENING_MS)
  const last = to === undefined ? INT8_MAX : idAt(to, WIDENING_MS)
  return { atLeast: first > 0n ? first : undefined, below: last < INT8_MAX ? last : undefined }
}

function within({ atLeast, below }: IdWindow, values: Values): string {
  const parts = [
    ...(atLeast === undefined ? [] : [`audit_id >= ${values.add(atLeast, 'bigint')}`]),
    ...(below === undefined ? [] : [`audit_id < ${values.add(below, 'bigint')}`]),
  ]
  return joined(parts)
}

function ofFilter({ terms, hours, withoutOwn }: ResolvedFilter, values: Values): string[] {
  const parts = Object.entries(terms).flatMap(([column, term]) => ofTerm(column, term, values))
  // Says in the words of the partial index what the other conditions imply.
  const { outcome } = terms
  if (outcome !== undefined && !isWanted(outcome, 'ok')) parts.push(`outcome <> 'ok'`)
  if (hours !== undefined) parts.push(ofHours(hours, values))
  if (withoutOwn) parts.push(`operation <> all(${values.add(ROUTINE_OPERATIONS, 'text[]')})`)
  return parts
}

function ofTerm(column: string, { oneOf, noneOf }: Term, values: Values): string[] {
  const wanted = alternatives(column, oneOf, values)
  const unwanted = alternatives(column, noneOf, values)
  return [
    ...(wanted.length === 0 || wanted.includes('true')
      ? []
      : [wanted.length === 1 ? wanted.join('') : `(${wanted.join(' or ')})`]),
    // What is not known is not what is left out.
    ...unwanted.map((condition) => `(${condition}) is not true`),
  ]
}

/** Any of these. */
function alternatives(column: string, matches: readonly Match[], values: Values): string[] {
  const exact = matches.filter(({ kind }) => kind === 'is').map(({ text }) => text)
  const type = INT8.has(column) ? 'bigint' : 'text'
  const parts = matches.flatMap(({ kind, text }) => {
    if (kind === 'begins')
      return [text === '' ? 'true' : `${column} like ${values.add(`${likeText(text)}%`, 'text')}`]
    return kind === NOT_OK ? [`${column} not in (${NOT_DENIALS.map((name) => `'${name}'`).join(', ')})`] : []
  })
  const [only] = exact
  if (only !== undefined && exact.length === 1) parts.unshift(`${column} = ${values.add(only, type)}`)
  if (exact.length > 1) parts.unshift(`${column} = any(${values.add(exact, `${type}[]`)})`)
  return parts
}

function likeText(text: string): string {
  return text.replaceAll(/[\\%_]/g, '\\$&')
}

function ofHours({ days, from, to, zone, isExcluded }: Hours, values: Values): string {
  const local = `(occurred_at at time zone ${values.add(zone, 'text')})`
  const [begin, end] = [values.add(clock(from), 'time'), values.add(clock(to), 'time')]
  const inside = `(${local}::time >= ${begin} ${from < to ? 'and' : 'or'} ${local}::time < ${end})`
  const within = `extract(isodow from ${local}) = any(${values.add(days, 'int[]')}) and ${inside}`
  return isExcluded ? `not (${within})` : `(${within})`
}

function ofRange({ below, atLeast, above, mark, since, foreign = FOREIGN }: Range, values: Values): string[] {
  return [
    ...(below === undefined && atLeast === undefined ? [] : [within({ below, atLeast }, values)]),
    ...(above === undefined ? [] : [`audit_id > ${values.add(above, 'bigint')}`]),
    ...ofMarks({ mark, since, foreign }, values),
  ]
}

function ofMarks({ mark, since, foreign }: Range, values: Values): string[] {
  const below = mark === undefined ? [] : [`recorded_xid < ${values.add(mark, 'bigint')}`]
  if (since !== undefined)
    return [...below, `recorded_xid >= ${values.add(since, 'bigint')}`, `not ${foreign}`]
  return below.map((condition) => `(${condition} or ${foreign})`)
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
