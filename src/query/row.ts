import { JSON } from '../host/globals.js'
import { type FieldColumn, FIELDS } from '../event/fields.js'
import type { ReadRow } from '../postgres/read/copied-event.js'
import { formatTime } from '../event/time.js'

/**
 * A row of the trail, by the names of its columns. 64-bit integers are strings of digits, since JSON numbers would be
 * rounded; times are RFC 3339 in UTC with six digits of the second's fraction. What is not known is `null`.
 */
export interface TrailRow {
  readonly audit_id: string
  readonly occurred_at: string
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly worker_id: string | null
  readonly execution_id: string | null
  readonly parent_execution_id: string | null
  readonly server_region: string | null
  readonly broker_region: string | null
  readonly kek_version: string | null
  readonly notes: string | null
  readonly actor_id: string | null
  readonly actor_type: string | null
  readonly source_address: string | null
  readonly service_name: string | null
  readonly service_instance_id: string | null
  readonly trace_id: string | null
  readonly span_id: string | null
  /** The JSON text as it was hashed. */
  readonly attributes: string | null
  readonly original_audit_id: string | null
  readonly recorded_at: string
  /** Lower-case hex. */
  readonly event_digest: string | null
  readonly chain_id: string | null
  readonly block_no: string | null
  readonly block_index: string | null
}

/** The row that a read gives, from the columns that were hashed. */
export function rowOf({
  event,
  recordedAt,
  stored,
  chain,
  block,
  index,
}: Pick<ReadRow, 'event' | 'recordedAt' | 'stored' | 'chain' | 'block' | 'index'>): TrailRow {
  const fields = FIELDS.map(({ name, column, kind }) => {
    const value = event[name]
    if (value === null) return [column, null]
    return [column, kind === 'time' ? formatTime(Number(value)) : String(value)]
  })
  return {
    ...(Object.fromEntries(fields) as Pick<TrailRow, FieldColumn>),
    recorded_at: formatTime(recordedAt),
    event_digest: stored === null ? null : Buffer.from(stored).toString('hex'),
    chain_id: chain === null ? null : chain.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    block_no: block === null ? null : String(block),
    block_index: index === null ? null : String(index),
  }
}

export type ColumnName = keyof TrailRow

const rfc3339 = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as ${column}`

/** What a row is read with. In this order everywhere: columns of CSV, keys of JSON. */
const EXPRESSIONS: Readonly<Record<ColumnName, string>> = {
  ...(Object.fromEntries(
    FIELDS.map(({ column, kind }) => [column, kind === 'time' ? rfc3339(column) : column]),
  ) as Record<FieldColumn, string>),
  recorded_at: rfc3339('recorded_at'),
  event_digest: `encode(event_digest, 'hex') as event_digest`,
  chain_id: 'chain_id',
  block_no: 'block_no',
  block_index: 'block_index::text as block_index',
}

export const COLUMNS = Object.freeze(Object.keys(EXPRESSIONS)) as readonly ColumnName[]
/** The columns as they are read from the table. */
export const SELECT_COLUMNS = Object.values(EXPRESSIONS).join(', ')

const ID_COLUMNS: ReadonlySet<string> = new Set([
  ...FIELDS.filter(({ kind }) => kind === 'int8').map(({ column }) => column),
  'block_no',
])

/** How 64-bit integers are written in JSON. `number` is for clients of the original, and exact only to 2^53 in many of them. */
export type IdFormat = 'string' | 'number'

/**
 * A row as JSON, on one line. The attributes are an object, written exactly as they are stored; `block_index` is a
 * number.
 */
export function rowJson(row: TrailRow, ids: IdFormat = 'string'): string {
  return `{${COLUMNS.map((column) => `"${column}":${valueJson(column, row[column], ids)}`).join(',')}}`
}

function valueJson(column: ColumnName, value: string | null, ids: IdFormat): string {
  if (value === null) return 'null'
  if (column === 'block_index' || (ids === 'number' && ID_COLUMNS.has(column))) return value
  // A line break in JSON text can only be white space: inside its strings it would be escaped.
  if (column === 'attributes') return value.replaceAll(/[\r\n]+/g, ' ')
  return JSON.stringify(value)
}
