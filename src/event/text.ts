import { sha256 } from './sha256.js'

// C0, DEL, C1. NUL is refused by Postgres; the others forge lines in terminals and logs.
/* oxlint-disable no-control-regex -- they are what is looked for */
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Caller-supplied text as it can be stored, and the hash of what it was when that differs. */
export interface StorableText {
  readonly text: string
  /** Lower-case hex SHA-256 of the original text, when it had to be changed. */
  readonly originalSha256?: string
}

export function isStorable(text: string, limit: number): boolean {
  return text.length <= limit && !CONTROL.test(text) && text.isWellFormed()
}

/**
 * Makes any text storable: control characters and lone surrogates become `\uXXXX`, and what is over the limit is
 * cut (never through a surrogate pair).
 *
 * @param limit UTF-16 code units
 */
export function storableText(original: string, limit: number): StorableText {
  if (isStorable(original, limit)) return { text: original }
  const escaped = original.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return { text: cut(escaped, limit), originalSha256: sha256OfText(original) }
}

/** Cuts to at most `limit` UTF-16 code units, never through a surrogate pair. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const last = text.charCodeAt(limit - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit)
}

/** Over the UTF-8 bytes; text with lone surrogates has none, there over its UTF-16LE code units. */
export function sha256OfText(text: string): string {
  return sha256(text.isWellFormed() ? text : Buffer.from(text, 'utf16le')).toString('hex')
}
