import { type AuditEvent, FIELDS } from './fields.js'
import { sha256 } from './sha256.js'
import { writeUtf8 } from './utf8.js'

/** What the digest of every event begins with. */
export const EVENT_DOMAIN: Buffer = Buffer.from('otel-audit/event/v1\n')

const TAGGED = FIELDS.map(({ tag, name }) => [tag, name] as const)

/** Tag and length, in front of each field. */
export const HEADER_BYTES = 5
export const INTEGER_BYTES = 8
/** UTF-8 needs no more for a UTF-16 code unit. */
const BYTES_PER_UNIT = 3

// Reused, and grown when an event needs more: its bytes are hashed, or copied, before the next event is encoded.
// A buffer of its own for each event, of the size measured first, took 3.1 µs an event; this takes 1.7.
let scratch = Buffer.alloc(0)
let integers = new DataView(scratch.buffer, scratch.byteOffset, scratch.length)

/**
 * The bytes that are hashed: `"otel-audit/event/v1\n"`, then for every field that is present, in ascending tag
 * order, `tag:u8 ‖ length:u32be ‖ bytes`. Integers (times in µs included) are 8 bytes big-endian, two's
 * complement; text is UTF-8, not normalised.
 */
export function encodeEvent(event: AuditEvent): Buffer {
  return Buffer.from(encoded(event))
}

/** SHA-256 of {@link encodeEvent}: 32 bytes. Two events have the same digest only if they are equal in every field. */
export function eventDigest(event: AuditEvent): Buffer {
  return sha256(encoded(event))
}

/** Valid until the next call. */
function encoded(event: AuditEvent): Buffer {
  reserve(0, EVENT_DOMAIN.length)
  let at = EVENT_DOMAIN.copy(scratch)
  for (const [tag, field] of TAGGED) {
    const value = event[field]
    if (value === null) continue
    reserve(at, HEADER_BYTES + (typeof value === 'string' ? value.length * BYTES_PER_UNIT : INTEGER_BYTES))
    const start = at + HEADER_BYTES
    let length = INTEGER_BYTES
    if (typeof value === 'string') length = writeUtf8(scratch, value, start)
    else integers.setBigInt64(start, BigInt(value))
    integers.setUint8(at, tag)
    integers.setUint32(at + 1, length)
    at = start + length
  }
  return scratch.subarray(0, at)
}

/** Makes room for so many bytes behind the first `used`, which are kept. */
function reserve(used: number, bytes: number): void {
  if (used + bytes <= scratch.length) return
  const larger = Buffer.allocUnsafeSlow((used + bytes) * 2)
  scratch.copy(larger, 0, 0, used)
  scratch = larger
  integers = new DataView(larger.buffer, larger.byteOffset, larger.length)
}
