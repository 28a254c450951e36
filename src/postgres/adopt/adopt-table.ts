import { JSON } from '../../host/globals.js'
import type { ClientBase } from 'pg'
import { type Field, FIELDS } from '../../event/fields.js'
import { readSql } from '../sql-text.js'

/** A relation that already has the trail's name. As `adopt-inspect.sql` describes it. */
export interface ExistingTable {
  /** `pg_class.relkind`. */
  readonly kind: string
  readonly logged: boolean
  readonly rowSecurity: boolean
  readonly owner: string
  readonly ownerMayCreate: boolean
  readonly columns: readonly ExistingColumn[]
  readonly indexes: readonly ExistingIndex[]
  /** The check that an earlier, unfinished adoption left. */
  readonly bound: { readonly valid: boolean; readonly id: string | null } | null
  /** What depends on the table and would stay with it, while the trail moves on. */
  readonly attachments: readonly string[]
  readonly parents: readonly string[]
  readonly grants: readonly ExistingGrant[]
}

interface ExistingColumn {
  readonly name: string
  readonly type: string
  readonly notNull: boolean
  /** Identity, generated, or of a collation of its own. */
  readonly special: boolean
  readonly hasDefault: boolean
}

interface ExistingIndex {
  readonly name: string
  readonly primary: boolean
  readonly valid: boolean
  /** From the access method on, as `pg_get_indexdef` puts it; begins with `unique` if it is. */
  readonly definition: string
}

export interface ExistingGrant {
  /** Null: PUBLIC. */
  readonly grantee: string | null
  readonly privilege: string
  readonly column: string | null
  readonly grantable: boolean
}

const TYPES: Readonly<Partial<Record<Field['kind'], string>>> = {
  int8: 'bigint',
  time: 'timestamp with time zone',
  json: 'json',
}
const typed = (fields: readonly Field[]): [column: string, type: string][] =>
  fields.map(({ column, kind }) => [column, TYPES[kind] ?? 'text'])

/** The columns of the original are those of the first fields. */
const ORIGINAL_FIELDS = 12
const ORIGINAL = FIELDS.slice(0, ORIGINAL_FIELDS)
const REQUIRED = new Map(typed(ORIGINAL.filter(({ required }) => required)))
const OPTIONAL = new Map(typed(ORIGINAL.filter(({ required }) => !required)))
/** What `adopt-columns.sql` adds, all of it at once. */
const ADDED = new Map([
  ['recorded_at', 'timestamp with time zone'],
  ['recorded_xid', 'bigint'],
  ...typed(FIELDS.slice(ORIGINAL_FIELDS)),
  ['event_digest', 'bytea'],
  ['chain_id', 'uuid'],
  ['block_no', 'bigint'],
  ['block_index', 'integer'],
])
const MAY_HAVE_DEFAULT = new Set(['occurred_at', 'recorded_at', 'recorded_xid'])
const NOT_NULL = new Set([...REQUIRED.keys(), 'recorded_at', 'recorded_xid'])

const KINDS: Readonly<Record<string, string>> = {
  p: 'a partitioned table that this product has not made',
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  i: 'an index',
  I: 'an index',
  c: 'a composite type',
}

/** The relation that has the trail's name, or undefined. */
export async function inspectTable(client: ClientBase, schema: string): Promise<ExistingTable | undefined> {
  const { rows } = await client.query<{ table: string }>(
    await readSql('./adopt-inspect.sql', import.meta.url),
    [schema],
  )
  return rows[0] === undefined ? undefined : (JSON.parse(rows[0].table) as ExistingTable)
}

/** Whether the columns beyond the original's are there already. */
export function hasAddedColumns(table: ExistingTable): boolean {
  return table.columns.some((column) => ADDED.has(column.name))
}

/** Every reason why the table cannot be adopted, in words for the operator. */
export function objections(table: ExistingTable): string[] {
  const kind = KINDS[table.kind]
  if (kind !== undefined) return [`it is ${kind}`]
  return [
    ...(table.logged
      ? []
      : ['it is unlogged or temporary: a crash would empty it (`alter table … set logged`)']),
    ...(table.rowSecurity ? ['row security is enabled on it'] : []),
    ...(table.ownerMayCreate
      ? []
      : [`its owner ${table.owner} has no CREATE privilege on the schema, and will have to make partitions`]),
    ...columnObjections(table),
    ...(table.indexes.some((index) => index.primary && index.definition === 'btree (audit_id)')
      ? []
      : ['its primary key is not (audit_id)']),
    ...table.parents.map((parent) => `it is a child of ${parent}`),
    ...table.attachments.map(
      (what) => `${what} depends on it: drop that first, and make it again afterwards`,
    ),
  ]
}

function columnObjections({ columns }: ExistingTable): string[] {
  const found = new Map(columns.map((column) => [column.name, column]))
  const expected = new Map([
    ...REQUIRED,
    ...OPTIONAL,
    ...(columns.some(({ name }) => ADDED.has(name)) ? ADDED : []),
  ])
  const missing = [...expected.keys()]
    .filter((name) => !found.has(name))
    .map((name) => `column ${name} is missing`)
  return missing.concat(
    columns.flatMap((column) => {
      const type = expected.get(column.name)
      return type === undefined ? [`column ${column.name} is not known`] : columnProblems(column, type)
    }),
  )
}

function columnProblems(
  { name, type, notNull, special, hasDefault }: ExistingColumn,
  expected: string,
): string[] {
  const problems: string[] = []
  if (type !== expected) problems.push(`column ${name} is ${type}, not ${expected}`)
  if (notNull !== NOT_NULL.has(name)) problems.push(`column ${name} is ${notNull ? 'NOT NULL' : 'nullable'}`)
  if (special) problems.push(`column ${name} is an identity, generated, or has a collation of its own`)
  if (hasDefault && !MAY_HAVE_DEFAULT.has(name)) problems.push(`column ${name} has a default`)
  return problems
}
