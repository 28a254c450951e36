import { JSON } from '../../host/globals.js'
import { sha256 } from '../../event/sha256.js'

/** What of the things that hang on the tables can be allowed by name. */
export type AllowableKind = 'trigger' | 'index' | 'constraint' | 'default' | 'row-security'

/**
 * The line of the option `allowInStore` that allows one thing: kind, object, and the SHA-256 of what it is. Another
 * definition, or another source of a function that it calls, is another line.
 *
 * @param parts its definition, and the sources of its functions
 */
export function allowLine(kind: AllowableKind, object: string, parts: unknown): string {
  return `${kind} ${object} ${sha256(JSON.stringify(parts)).toString('hex')}`
}

/** Lines of the option, separated by line ends or semicolons: blank ones and comments (`#`) count for nothing. */
export function parseAllowed(lines: string): ReadonlySet<string> {
  const all = lines.split(/[\n;]/).map((line) => line.replace(/^\s*#.*$/, '').trim())
  return new Set(all.filter((line) => line !== ''))
}
