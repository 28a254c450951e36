import type { ClientBase } from 'pg'
import { quotedSchema } from './schema-name.js'

/** What a mark is of: the server that counts the transactions, and the table whose rows name them. */
export interface Place {
  /** As `pg_control_system` has it. Null where this login may not ask. */
  readonly system: string | null
  /** The ids of database and table on that server. A restored table has others, on the same server too. */
  readonly table: string
}

/** The expression that gives {@link Place.table}. */
export function placeOfTable(schema: string): string {
  return `((select oid from pg_catalog.pg_database where datname = current_database())::text || '.'
    || coalesce(to_regclass('${quotedSchema(schema)}.secret_audit')::oid, 0)::text)`
}

export async function readPlace(client: ClientBase, schema: string): Promise<Place> {
  const may = `select has_function_privilege('pg_catalog.pg_control_system()', 'execute') as may`
  const { rows: allowed } = await client.query<{ may: boolean }>(may)
  const table = placeOfTable(schema)
  // To name the function in a statement takes the right to call it.
  const text =
    allowed[0]?.may === true
      ? `select system_identifier::text as system, ${table} as table from pg_control_system()`
      : `select null as system, ${table} as table`
  const { rows } = await client.query<Place>(text)
  return rows[0] ?? { system: null, table: '' }
}

/** As far as it is known: what could not be asked differs from nothing. */
export function isSamePlace(
  one: { readonly system: string | null; readonly table?: string | null },
  other: Place,
): boolean {
  const isSameServer = one.system == null || other.system === null || one.system === other.system
  return isSameServer && (one.table == null || one.table === other.table)
}
