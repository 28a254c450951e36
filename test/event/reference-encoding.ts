/**
 * The encoding of an event, written a second time from its specification and with nothing of the library's:
 * `"otel-audit/event/v1\n"`, then for each field that is present, in ascending order of tags, `tag:u8 ‖ length:u32be ‖
 * bytes`. It decodes where the library encodes.
 */
const FIELDS: Readonly<Record<number, readonly [field: string, type: 'int64' | 'micros' | 'text']>> = {
  1: ['auditId', 'int64'],
  2: ['occurredAt', 'micros'],
  3: ['credential', 'text'],
  4: ['operation', 'text'],
  5: ['outcome', 'text'],
  6: ['workerId', 'text'],
  7: ['executionId', 'int64'],
  8: ['parentExecutionId', 'int64'],
  9: ['serverRegion', 'text'],
  10: ['brokerRegion', 'text'],
  11: ['kekVersion', 'text'],
  12: ['notes', 'text'],
  13: ['actorId', 'text'],
  14: ['actorType', 'text'],
  15: ['sourceAddress', 'text'],
  16: ['serviceName', 'text'],
  17: ['serviceInstanceId', 'text'],
  18: ['traceId', 'text'],
  19: ['spanId', 'text'],
  20: ['attributesJson', 'text'],
  21: ['originalAuditId', 'int64'],
}

const DOMAIN = 'otel-audit/event/v1\n'

/** @throws Error for bytes that are not the one encoding of some event */
export function decodeEvent(bytes: Uint8Array): Record<string, unknown> {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (text.decode(bytes.subarray(0, DOMAIN.length)) !== DOMAIN) throw new Error('another domain')
  const event: Record<string, unknown> = {}
  for (const [field] of Object.values(FIELDS)) event[field] = null
  let at = DOMAIN.length
  let previous = 0
  while (at < bytes.byteLength) {
    const tag = view.getUint8(at)
    const length = view.getUint32(at + 1)
    const start = at + 5
    const found = FIELDS[tag]
    if (tag <= previous || found === undefined) throw new Error(`tag ${tag} after ${previous}`)
    if (start + length > bytes.byteLength) throw new Error(`tag ${tag} is cut short`)
    const [field, type] = found
    if (type === 'text') {
      event[field] = text.decode(bytes.subarray(start, start + length))
    } else {
      if (length !== 8) throw new Error(`tag ${tag} has ${length} bytes`)
      const value = view.getBigInt64(start)
      event[field] = type === 'micros' ? Number(value) : value
    }
    previous = tag
    at = start + length
  }
  return event
}
