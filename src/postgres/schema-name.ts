import { JSON } from '../host/globals.js'
import { AuditError } from '../errors.js'

/** The schema of the original, and the default of ours. */
export const DEFAULT_SCHEMA = 'noetl'

/** 48 bytes: `<schema>_audit_writer` still fits into Postgres's 63. */
const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,47}$/

/**
 * The schema name, checked. Whatever passes can stand between double or single quotes without escaping.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`
 */
export function checkSchemaName(schema: string): string {
  if (SCHEMA_NAME.test(schema) && !schema.startsWith('pg_')) return schema
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `schema must be a name of lower-case letters, digits and underscores, at most 48 characters long, not beginning with a digit or pg_; ${JSON.stringify(schema)} is not`,
    { field: 'schema' },
  )
}

/** The schema as a quoted SQL identifier: it may be a reserved word. */
export function quotedSchema(schema: string): string {
  return `"${checkSchemaName(schema)}"`
}

/** An identifier that comes from the database's own catalogue. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The group roles of a schema. */
export interface RoleNames {
  readonly writer: string
  readonly reader: string
  /** Sees what was kept aside. */
  readonly keeper: string
}

export function roleNames(schema: string): RoleNames {
  const prefix = `${checkSchemaName(schema)}_audit`
  return { writer: `${prefix}_writer`, reader: `${prefix}_reader`, keeper: `${prefix}_keeper` }
}
