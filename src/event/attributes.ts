import { AuditError } from '../errors.js'
import { jsonString, parseFlatObject } from '../host/json-text.js'
import { cut, isStorable, sha256OfText, storableText } from './text.js'

/** Largest number of keys a caller may give. */
const ATTRIBUTES_MAX_KEYS = 32
/** Largest size of the stored JSON text, in UTF-8 bytes. */
const ATTRIBUTES_MAX_BYTES = 4096
/** Keys with this prefix carry the SHA-256 of text that had to be changed. They are this library's own. */
export const SANITIZED_PREFIX = 'sanitized.'

export type AttributeValue = string | boolean | number
/** Keys with this prefix are those of the gateway, which says from whom it has an event. */
export const GATEWAY_PREFIX = 'gateway.'
/** A flat record: strings, booleans, safe integers. */
export type AuditAttributes = Readonly<Record<string, AttributeValue>>

/** 1 to 64 characters, so that 32 keys without any text in their values stay below 4 KiB. */
const KEY = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}$/

/**
 * Checks and encodes. Wrong types and keys are the programmer's and throw; text too long or unsafe is the outside
 * world's, and is escaped and cut, with the SHA-256 of the original JSON under `sanitized.attributes`.
 *
 * @param markers `sanitized.*` entries of other fields, stored along
 * @returns one JSON text with its keys in the order of RFC 8785: what is hashed, sent and stored, and never serialised again
 * @throws AuditError `AUDIT_INVALID_EVENT`
 */
export function encodeAttributes(given: unknown, markers: AuditAttributes): string | undefined {
  if (given === undefined || given === null) {
    return isEmpty(markers) ? undefined : canonicalJson(markers)
  }
  const checked = checkAttributes(given)
  const limit = ATTRIBUTES_MAX_BYTES
  const complete = { ...checked, ...markers }
  if (isEmpty(complete)) return undefined
  if (Object.values(checked).every((value) => typeof value !== 'string' || isStorable(value, limit))) {
    const json = canonicalJson(complete)
    if (Buffer.byteLength(json) <= limit) return json
  }
  const marker = { [`${SANITIZED_PREFIX}attributes`]: sha256OfText(canonicalJson(checked)) }
  const escaped = Object.fromEntries(
    Object.entries(checked).map(([key, value]) => [
      key,
      typeof value === 'string' ? storableText(value, limit).text : value,
    ]),
  )
  return shrink(escaped, { ...markers, ...marker })
}

/**
 * Attributes with some more, which are ours to add: nothing of the others is cut for them.
 *
 * @param json as {@link encodeAttributes} made it
 */
export function addAttributes(json: string | null, added: AuditAttributes): string {
  if (json === null) return canonicalJson(added)
  return canonicalJson({ ...(Object.fromEntries(parseFlatObject(json)) as AuditAttributes), ...added })
}

/** JSON with keys in UTF-16 code unit order (RFC 8785; the value types need no further rule of it). */
function canonicalJson(attributes: AuditAttributes): string {
  let json = '{'
  for (const key of Object.keys(attributes).sort()) {
    const value = attributes[key] ?? ''
    if (json.length > 1) json += ','
    // Others are safe integers and booleans, which JavaScript writes as JSON does.
    json += `${jsonString(key)}:${typeof value === 'string' ? jsonString(value) : value}`
  }
  return `${json}}`
}

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0
}

function checkAttributes(given: unknown): Record<string, AttributeValue> {
  // The tag tells plain objects and instances of classes from Map, Date and others that keep nothing in properties.
  const tag = Object.prototype.toString.call(given).slice(8, -1)
  if (tag !== 'Object' || typeof given !== 'object' || given === null) {
    throw invalid(`attributes must be a flat object, got ${tag}`)
  }
  if (Object.getOwnPropertySymbols(given).length > 0)
    throw invalid('attributes must not have a symbol as a key')
  const entries = Object.entries(given).filter(([, value]) => value !== undefined)
  if (entries.length > ATTRIBUTES_MAX_KEYS) {
    throw invalid(`attributes may have at most ${ATTRIBUTES_MAX_KEYS} keys, got ${entries.length}`)
  }
  for (const [key] of entries) {
    if (!KEY.test(key) || key.startsWith(SANITIZED_PREFIX) || key.startsWith(GATEWAY_PREFIX)) {
      throw invalid(
        `attribute key ${jsonString(cut(key, 80))} must be 1 to 64 of A-Z a-z 0-9 _ . : / - and not begin with "${SANITIZED_PREFIX}" or "${GATEWAY_PREFIX}"`,
      )
    }
  }
  // Unlike an assignment this keeps `__proto__`.
  return Object.fromEntries(entries.map(([key, value]) => [key, checkValue(key, value)]))
}

function checkValue(key: string, value: unknown): AttributeValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  const got = typeof value === 'number' || value === null ? String(value) : typeof value
  const hint = typeof value === 'bigint' || typeof value === 'number' ? '; give other numbers as strings' : ''
  throw invalid(`attribute "${key}" must be a string, boolean or safe integer, got ${got}${hint}`)
}

/** Halves the longest text until everything fits. Ends: without any text 32 keys and all markers fit. */
function shrink(own: AuditAttributes, markers: AuditAttributes): string {
  const values: Record<string, AttributeValue> = { ...own }
  for (;;) {
    const json = canonicalJson({ ...values, ...markers })
    if (Buffer.byteLength(json) <= ATTRIBUTES_MAX_BYTES) return json
    let longest = ''
    let length = 0
    for (const [key, value] of Object.entries(values)) {
      if (typeof value === 'string' && value.length > length) {
        longest = key
        length = value.length
      }
    }
    if (length === 0) return json
    values[longest] = cut(String(values[longest]), Math.floor(length / 2))
  }
}

function invalid(message: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', message, { field: 'attributes' })
}
