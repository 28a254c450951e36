import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import { quotedSchema } from './schema-name.js'

/** The schemas whose tables the functions of one work on, by their texts: `"noetl".secret_audit`. */
const NAMED = `
  select distinct named[1] as schema
  from pg_catalog.pg_proc, regexp_matches(prosrc, '"([a-z_][a-z0-9_]*)"\\.secret_audit', 'g') named
  where pronamespace = to_regnamespace($1) and proname like 'secret\\_audit\\_%' and named[1] <> $2
  limit 1`

/**
 * Refuses a schema that `alter schema` has renamed: the texts of its functions have the old name, and they would work on
 * the tables of that one, or fail.
 *
 * @throws AuditError `AUDIT_SCHEMA`
 */
export async function refuseRenamed(client: ClientBase, schema: string): Promise<void> {
  const { rows } = await client.query<{ schema: string }>(NAMED, [quotedSchema(schema), schema])
  const [other] = rows
  if (other === undefined) return
  throw new AuditError(
    'AUDIT_SCHEMA',
    `schema ${schema} was made as ${other.schema} and renamed: its functions still work on ${other.schema}. It can be read, and not be written to. As the owner, give it its name again (alter schema ${schema} rename to ${other.schema}), or restore a dump in which that name is replaced`,
  )
}
