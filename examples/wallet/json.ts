/** Reads JSON from outside. Every function throws `TypeError` naming the place, never the value. */

export type JsonObject = Readonly<Record<string, unknown>>

export function object(value: unknown, at: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new TypeError(`${at}: an object is needed`)
}

export function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  throw new TypeError(`${at}: a list is needed`)
}

export function text(value: unknown, at: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw new TypeError(`${at}: a non-empty string is needed`)
}

export function optionalText(value: unknown, at: string): string | undefined {
  return value === undefined || value === null ? undefined : text(value, at)
}

/** Exactly `length` bytes in base64url or base64. */
export function bytes(value: unknown, length: number, at: string): Buffer {
  const encoded = text(value, at)
  const decoded = Buffer.from(encoded, 'base64url')
  if (decoded.length === length && /^[A-Za-z0-9_+/-]+={0,2}$/.test(encoded)) return decoded
  throw new TypeError(`${at}: ${length} bytes in base64url are needed`)
}
