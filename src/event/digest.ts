import { createHash } from 'node:crypto'
import type { AuditEvent } from './event.js'

const DOMAIN = Buffer.from('otel-audit/event/v1\n')

/**
 * The fields of an event in the order of their tags. A tag is never used again for another field, and a new field
 * gets the next one: an absent field adds nothing, so old digests stay what they are.
 */
const TAGGED = [
  [1, 'auditId'],
  [2, 'occurredAt'],
  [3, 'credential'],
  [4, 'operation'],
  [5, 'outcome'],
  [6, 'workerId'],
  [7, 'executionId'],
  [8, 'parentExecutionId'],
  [9, 'serverRegion'],
  [10, 'brokerRegion'],
  [11, 'kekVersion'],
  [12, 'notes'],
  [13, 'actorId'],
  [14, 'actorType'],
  [15, 'sourceAddress'],
  [16, 'serviceName'],
  [17, 'serviceInstanceId'],
  [18, 'traceId'],
  [19, 'spanId'],
  [20, 'attributesJson'],
  [21, 'originalAuditId'],
] as const satisfies readonly (readonly [number, keyof AuditEvent])[]

const HEADER_BYTES = 5
const INTEGER_BYTES = 8

/**
 * The bytes that are hashed: `"otel-audit/event/v1\n"`, then for every field that is present, in ascending tag
 * order, `tag:u8 ‖ length:u32be ‖ bytes`. Integers (times in µs included) are 8 bytes big-endian, two's
 * complement; text is UTF-8, not normalised.
 */
export function encodeEvent(event: AuditEvent): Buffer {
  let size = DOMAIN.length
  for (const [, field] of TAGGED) {
    const value = event[field]
    if (value !== null) {
      size += HEADER_BYTES + (typeof value === 'string' ? Buffer.byteLength(value) : INTEGER_BYTES)
    }
  }
  const bytes = Buffer.allocUnsafe(size)
  let at = DOMAIN.copy(bytes)
  for (const [tag, field] of TAGGED) {
    const value = event[field]
    if (value === null) continue
    at = bytes.writeUInt8(tag, at)
    const start = at + 4
    const end =
      typeof value === 'string'
        ? start + bytes.write(value, start, 'utf8')
        : bytes.writeBigInt64BE(BigInt(value), start)
    bytes.writeUInt32BE(end - start, at)
    at = end
  }
  return bytes
}

/** SHA-256 of {@link encodeEvent}: 32 bytes. Two events have the same digest only if they are equal in every field. */
export function eventDigest(event: AuditEvent): Buffer {
  return createHash('sha256').update(encodeEvent(event)).digest()
}
