import type { AuditAttributes } from '../event/attributes.js'
import type { AuditFields } from '../event/event.js'

/** What a field is replaced with when it contains the returned secret. */
export const REDACTED = '[redacted]'

/** Shorter strings are not compared: they would match by chance. */
const LEAST_LENGTH = 8
/** A value with more parts than this is not searched to its end; all text is redacted instead. */
const MOST_PARTS = 10_000

type Redactable = Pick<AuditFields, 'notes' | 'attributes'>

export interface Redaction {
  readonly fields: Redactable
  /** How many texts were replaced. */
  readonly count: number
}

/**
 * Replaces notes and attribute values that contain the value about to be returned: its strings of 8 characters or
 * more and its buffers, nested ones too, as they are, in base64, base64url, hex and URL encoding.
 */
export function redactReturned(given: Redactable, value: unknown): Redaction | undefined {
  if (given.notes === undefined && given.attributes === undefined) return undefined
  const forms = secretForms(value)
  let count = 0
  const clean = <V>(text: V): V | string => {
    if (typeof text !== 'string' || !forms.matches(text)) return text
    count++
    return REDACTED
  }
  const notes = clean(given.notes)
  let attributes: AuditAttributes | undefined
  if (given.attributes !== undefined) {
    attributes = Object.fromEntries(Object.entries(given.attributes).map(([key, v]) => [key, clean(v)]))
  }
  return count === 0 ? undefined : { fields: { notes, attributes }, count }
}

interface SecretForms {
  matches(text: string): boolean
}

function secretForms(value: unknown): SecretForms {
  const exact = new Set<string>()
  const hex = new Set<string>()
  const addBytes = (bytes: Buffer): void => {
    exact.add(bytes.toString('base64').replace(/=+$/, ''))
    exact.add(bytes.toString('base64url'))
    hex.add(bytes.toString('hex'))
  }
  const complete = visit(value, {
    text(text) {
      exact.add(text)
      if (text.isWellFormed()) {
        const encoded = encodeURIComponent(text)
        exact.add(encoded)
        exact.add(encoded.replaceAll('%20', '+'))
        exact.add(encoded.toLowerCase())
      }
      addBytes(Buffer.from(text, 'utf8'))
    },
    bytes(bytes) {
      exact.add(bytes.toString('utf8'))
      exact.add(bytes.toString('latin1'))
      addBytes(bytes)
    },
  })
  if (!complete) return { matches: () => true }
  return {
    matches(text) {
      for (const form of exact) if (text.includes(form)) return true
      if (hex.size > 0) {
        const lower = text.toLowerCase()
        for (const form of hex) if (lower.includes(form)) return true
      }
      return false
    },
  }
}

interface PartVisitor {
  text(text: string): void
  bytes(bytes: Buffer): void
}

/** Walks strings and buffers of a value. @returns false when there were too many parts to see them all */
function visit(root: unknown, visitor: PartVisitor): boolean {
  const seen = new Set<object>()
  const pending: unknown[] = [root]
  let parts = 0
  while (pending.length > 0) {
    if (++parts > MOST_PARTS) return false
    const value = pending.pop()
    if (typeof value === 'string') {
      if (value.length >= LEAST_LENGTH) visitor.text(value)
      continue
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    const bytes = bytesOf(value)
    if (bytes !== undefined) {
      if (bytes.length >= LEAST_LENGTH) visitor.bytes(bytes)
    } else if (value instanceof Map) {
      for (const [key, item] of value) pending.push(key, item)
    } else if (value instanceof Set) {
      for (const item of value) pending.push(item)
    } else {
      // A getter that throws hides a part that cannot be compared: redact all.
      try {
        for (const item of Object.values(value)) pending.push(item)
      } catch {
        return false
      }
    }
  }
  return true
}

function bytesOf(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  return undefined
}
