import { readFile } from 'node:fs/promises'
import { AuditError } from '../errors.js'
import { withoutLineBreak } from '../host/changing-file.js'

/**
 * A value that is given, or that stands in a file: less the line break at its end.
 *
 * @param field the option that names the file
 * @throws AuditError `AUDIT_INVALID_OPTION` for a file that cannot be read, or is empty. It does not quote it
 */
export async function valueOrFile(
  value: string | undefined,
  field: string,
  file: string | undefined,
): Promise<string | undefined> {
  if (value !== undefined || file === undefined) return value
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    const why = String((cause as { code?: unknown }).code)
    throw new AuditError('AUDIT_INVALID_OPTION', `${field}: the file ${file} cannot be read (${why})`, {
      field,
      cause,
    })
  })
  const found = withoutLineBreak(text)
  if (found !== '') return found
  throw new AuditError('AUDIT_INVALID_OPTION', `${field}: the file ${file} is empty`, { field })
}
