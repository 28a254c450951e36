import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import { DEFAULT_SCHEMA, quotedSchema } from './schema-name.js'

/** The number of the newest migration this version knows, and therefore needs. */
export const SCHEMA_VERSION = 15

/**
 * Makes sure that the tables are those this version writes to. It needs no more than the rights of the writer role.
 * A newer schema is fine, as long as none of its changes is marked as breaking.
 *
 * @throws AuditError `AUDIT_SCHEMA`, naming the command that repairs it. Errors of the connection pass through as they are.
 */
export async function checkSchema(client: ClientBase, schema: string): Promise<void> {
  const { rows } = await client
    .query<Applied>(`select number, breaking from ${quotedSchema(schema)}.secret_audit_migration`)
    .catch((error: unknown) => {
      throw unreadable(error, schema)
    })
  refuseBreaking(rows, schema)
  const known = new Set(rows.map((row) => row.number))
  for (let number = 1; number <= SCHEMA_VERSION; number++) {
    if (known.has(number)) continue
    throw schemaError(
      `schema ${schema} is at version ${Math.max(0, ...known)}, and this version of otel-audit needs ${SCHEMA_VERSION}`,
      schema,
    )
  }
}

/** What counts of a recorded migration when versions are compared. */
export interface Applied {
  readonly number: number
  readonly breaking: boolean
}

/** @throws AuditError `AUDIT_SCHEMA` when a newer version has changed the schema in a way this one cannot work with. */
export function refuseBreaking(applied: readonly Applied[], schema: string): void {
  const newer = applied.find(({ number, breaking }) => breaking && number > SCHEMA_VERSION)
  if (!newer) return
  throw new AuditError(
    'AUDIT_SCHEMA',
    `schema ${schema} was changed by a newer version of otel-audit (migration ${newer.number}, marked as breaking); this version knows migrations up to ${SCHEMA_VERSION}. Install the newer version`,
  )
}

const UNDEFINED_TABLE = '42P01'
const INVALID_SCHEMA = '3F000'
const INSUFFICIENT_PRIVILEGE = '42501'

function unreadable(error: unknown, schema: string): unknown {
  const code = (error as { code?: unknown } | null)?.code
  if (code === UNDEFINED_TABLE || code === INVALID_SCHEMA) {
    return schemaError(`schema ${schema} holds no tables of otel-audit`, schema, error)
  }
  if (code === INSUFFICIENT_PRIVILEGE) {
    const writer = `${schema}_audit_writer`
    return schemaError(
      `this role may not read the schema version of ${schema}. It needs the rights of ${writer}: GRANT "${writer}" TO <this login>`,
      schema,
      error,
      ' --login <this login>',
    )
  }
  return error
}

function schemaError(problem: string, schema: string, cause?: unknown, flags = ''): AuditError {
  const option = schema === DEFAULT_SCHEMA ? '' : ` --schema ${schema}`
  return new AuditError(
    'AUDIT_SCHEMA',
    `${problem}. Run \`otel-audit migrate${option}${flags}\` as the owner`,
    cause === undefined ? {} : { cause },
  )
}
