import { readFile } from 'node:fs/promises'
import { packageFile } from '../host/package-file.js'
import { quotedSchema } from './schema-name.js'

/**
 * The text of an SQL file. Line ends do not depend on how the file was checked out.
 *
 * @param base the module that the file is next to
 * @throws AuditError `AUDIT_PACKAGE` when it is not there
 */
export async function readSql(file: string, base: string): Promise<string> {
  const text = await readFile(packageFile(file, base), 'utf8')
  return text.replaceAll('\r\n', '\n')
}

/**
 * Fills in `:SCHEMA` (a quoted identifier), `:SCHEMA_NAME` (a literal), and further placeholders, whose values are
 * inserted as they are given.
 */
export function renderSql(
  text: string,
  schema: string,
  values: Readonly<Record<string, string>> = {},
): string {
  const known: Readonly<Record<string, string>> = {
    ...values,
    SCHEMA: quotedSchema(schema),
    SCHEMA_NAME: `'${schema}'`,
  }
  return text.replaceAll(/(?<!:):([A-Z][A-Z_]*)\b/g, (placeholder, name: string) => {
    const value = known[name]
    if (value === undefined) throw new Error(`unknown placeholder ${placeholder}`)
    return value
  })
}
