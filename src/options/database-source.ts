import { readFile } from 'node:fs/promises'
import { AuditError } from '../errors.js'
import { withoutLineBreak } from '../host/changing-file.js'
import type { DatabaseUrl } from '../postgres/database-url.js'

/** Where the address of a database, and its password, come from. */
export interface DatabaseSource {
  readonly url: DatabaseUrl | undefined
  /** A file with the URL, when `url` is not given. */
  readonly urlFile: string | undefined
  /** A file with the password, in place of that of the URL. */
  readonly passwordFile: string | undefined
}

/** @returns a function where a file has to be read: it reads it at each call, since passwords are rotated */
export function databaseFrom({ url, urlFile, passwordFile }: DatabaseSource): DatabaseUrl | undefined {
  const base = url ?? (urlFile === undefined ? undefined : () => readText('databaseUrlFile', urlFile))
  if (base === undefined || passwordFile === undefined) return base
  return async () => {
    const password = await readText('passwordFile', passwordFile)
    return withPassword(typeof base === 'string' ? base : await base(), password)
  }
}

/** Without the line break that editors and secret stores put at the end. */
async function readText(field: string, path: string): Promise<string> {
  try {
    return withoutLineBreak(await readFile(path, 'utf8'))
  } catch (error) {
    const { code } = error as { readonly code?: unknown }
    throw new AuditError('AUDIT_SESSION', `${field} cannot be read (${String(code)})`, {
      field,
      remedy: 'Name a file that this user may read. It is read at each connect.',
    })
  }
}

/** Also of a URL that no parser of URLs takes, since it has no host: `postgres://orders@/app?host=/run/postgresql`. */
function withPassword(url: string, password: string): string {
  return url.replace(
    /^([a-z]+:\/\/)(?:([^:@/?#]*)(?::[^@/?#]*)?@)?/i,
    (_, scheme: string, user = '') => `${scheme}${String(user)}:${encodeURIComponent(password)}@`,
  )
}
