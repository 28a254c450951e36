import { type Field, FIELDS } from '../../event/fields.js'
import { calls, isPure } from './expression.js'
import type { Expression, FoundColumn, FoundRelation, FoundTable } from './inspection.js'

const TYPES: Readonly<Partial<Record<Field['kind'], string>>> = {
  int8: 'bigint',
  time: 'timestamp with time zone',
  json: 'json',
}

/** What a writer sends of a row, in this order. */
const SENT = [
  ...FIELDS.map(({ column, kind }) => [column, TYPES[kind] ?? 'text'] as const),
  ['event_digest', 'bytea'],
  ['chain_id', 'uuid'],
  ['block_no', 'bigint'],
  ['block_index', 'integer'],
] as const

const OF_ROWS: ReadonlyMap<string, string> = new Map([
  ...SENT,
  ['recorded_at', 'timestamp with time zone'],
  ['recorded_xid', 'bigint'],
])

const OF_BLOCKS: ReadonlyMap<string, string> = new Map([
  ['chain_id', 'uuid'],
  ['block_no', 'bigint'],
  ['log', 'text'],
  ['kind', 'text'],
  ['prev_hash', 'bytea'],
  ['min_id', 'bigint'],
  ['max_id', 'bigint'],
  ['root', 'bytea'],
  ['row_count', 'integer'],
  ['row_total', 'bigint'],
  ['lost_total', 'bigint'],
  ['block_time', 'bigint'],
  ['body', 'text'],
  ['signatures', 'text'],
  ['recorded_at', 'timestamp with time zone'],
])

const OF_IDENTITY: ReadonlyMap<string, string> = new Map([
  ['only_row', 'boolean'],
  ['trail', 'text'],
  ['system_identifier', 'text'],
  ['table_oids', 'text'],
  ['begun_at', 'timestamp with time zone'],
])

const OF_QUARANTINE: ReadonlyMap<string, string> = new Map([
  ['quarantine_id', 'bigint'],
  ['fingerprint', 'bytea'],
  ['received_at', 'timestamp with time zone'],
  ['sender', 'text'],
  ['reason', 'text'],
  ['format', 'text'],
  ['service_name', 'text'],
  ['service_instance_id', 'text'],
  ['trace_id', 'text'],
  ['span_id', 'text'],
  ['ordinal', 'integer'],
  ['raw', 'bytea'],
  ['raw_sha256', 'bytea'],
  ['chain_id', 'uuid'],
  ['block_no', 'bigint'],
  ['block_index', 'integer'],
  ['recorded_at', 'timestamp with time zone'],
])

const OF_QUARANTINE_END: ReadonlyMap<string, string> = new Map([
  ['quarantine_id', 'bigint'],
  ['fingerprint', 'bytea'],
  ['decision', 'text'],
  ['audit_id', 'bigint'],
  ['decided_by', 'text'],
  ['decided_at', 'timestamp with time zone'],
])

const COLUMNS: Readonly<Record<FoundTable['part'], ReadonlyMap<string, string>>> = {
  rows: OF_ROWS,
  partition: OF_ROWS,
  blocks: OF_BLOCKS,
  identity: OF_IDENTITY,
  quarantine: OF_QUARANTINE,
  'quarantine partition': OF_QUARANTINE,
  'quarantine end': OF_QUARANTINE_END,
}

/** What only the database says, and how: the rest of the trail's promises rests on it. */
const SAID_BY: ReadonlyMap<string, string> = new Map([
  ['recorded_at', 'clock_timestamp'],
  ['recorded_xid', 'pg_current_xact_id'],
  ['decided_at', 'clock_timestamp'],
])

/** Without a value of ours, it says when the transaction began. */
const MAY_HAVE_DEFAULT = new Set([...SAID_BY.keys(), 'occurred_at'])

export interface ColumnProblem {
  readonly message: string
  /** The default that is at fault, when it is one. */
  readonly default?: { readonly column: string; readonly definition: unknown }
}

/** What of the columns is not as the migrations make them, other than a further nullable column without a default. */
export function columnProblems({ part, columns }: FoundTable): ColumnProblem[] {
  const found = columns ?? []
  const expected = COLUMNS[part]
  const names = new Set(found.map(({ name }) => name))
  // A row takes the defaults of the table that the INSERT names: those of a partition do nothing, nor do those of a table that
  // is only read.
  const takesDefaults = !part.endsWith('partition') && part !== 'identity'
  const missing = [...expected.keys()].filter((name) => !names.has(name))
  return [
    ...missing.map((name) => ({ message: `column ${name} is missing` })),
    ...found.flatMap((column) => {
      const type = expected.get(column.name)
      return type === undefined
        ? furtherColumn(column, takesDefaults)
        : ownColumn(column, type, takesDefaults)
    }),
  ]
}

/** The type that rows are sent as: a domain in it would run somebody's code in our INSERT. */
export function typeProblems({ columns }: FoundRelation): string[] {
  const list = (of: readonly (readonly [name: string, type: string])[]): string =>
    of.map((column) => column.join(' ')).join(', ')
  const found = list((columns ?? []).map(({ name, type }) => [name, type]))
  return found === list(SENT) ? [] : [`its attributes are ${found}`]
}

function ownColumn(column: FoundColumn, type: string, takesDefaults: boolean): ColumnProblem[] {
  const { name } = column
  const problems: ColumnProblem[] = []
  if (column.type !== type) problems.push({ message: `column ${name} is ${column.type}, not ${type}` })
  if (column.generated || column.identity) problems.push({ message: `column ${name} is generated` })
  else if (column.default !== null && takesDefaults) {
    if (!MAY_HAVE_DEFAULT.has(name) || !isOwnDefault(column.default)) problems.push(badDefault(column))
  }
  const teller = SAID_BY.get(name)
  if (takesDefaults && teller !== undefined && !(column.default && calls(column.default, teller))) {
    problems.push({ message: `column ${name} has lost its default, ${teller}()` })
  }
  return problems
}

function isOwnDefault(expression: Expression): boolean {
  const { functions, needs } = expression
  return isPure({ needs, functions: functions.filter(({ name }) => name !== 'pg_current_xact_id') })
}

function furtherColumn(column: FoundColumn, takesDefaults: boolean): ColumnProblem[] {
  const { name } = column
  if (column.isDomain) return [{ message: `column ${name} has a domain for its type, ${column.type}` }]
  if (column.generated || column.identity) return [{ message: `column ${name} is generated` }]
  if (column.default !== null) return takesDefaults ? [badDefault(column)] : []
  return column.notNull ? [{ message: `column ${name} is not ours, and must not be NULL` }] : []
}

function badDefault(column: FoundColumn): ColumnProblem {
  const { name, default: given } = column
  const definition = [given?.definition, given?.functions.map(({ source }) => source)]
  return {
    message: `column ${name} has a default, ${given?.definition}`,
    default: { column: name, definition },
  }
}
