import { createHash } from 'node:crypto'
import type { AuditEvent } from '../../event/event.js'

/** First bytes of every entry: what it is, and in which version. */
const MAGIC = Buffer.from('otel-audit/spool/v1\n')
const SHA256_BYTES = 32

/** Fields that JSON cannot carry as numbers. */
const INTEGERS = ['auditId', 'executionId', 'parentExecutionId', 'originalAuditId'] as const

/** An entry as it is on disk: `"otel-audit/spool/v1\n" ‖ SHA-256 of the JSON ‖ JSON`, 64-bit ids as strings. */
export function encodeRecord(event: AuditEvent): Buffer {
  const json = Buffer.from(
    JSON.stringify(event, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  )
  return Buffer.concat([MAGIC, sha256(json), json])
}

/** @throws Error that says what is wrong with the bytes, and nothing of what is in them */
export function decodeRecord(bytes: Uint8Array): AuditEvent {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = MAGIC.length + SHA256_BYTES
  if (record.length <= start || !record.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error('it does not begin as an entry of this version does')
  }
  const json = record.subarray(start)
  if (!record.subarray(MAGIC.length, start).equals(sha256(json)))
    throw new Error('its checksum does not match')
  const event = JSON.parse(json.toString()) as Record<string, unknown>
  for (const field of INTEGERS) {
    const value = event[field]
    if (typeof value === 'string') event[field] = BigInt(value)
  }
  return Object.freeze(event) as unknown as AuditEvent
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
