/**
 * Decodes OTLP trace requests from protobuf into the shape of OTLP/JSON: hex ids, 64-bit integers as strings.
 * Field numbers are those of opentelemetry-proto 1.x (`trace.proto`, `common.proto`, `resource.proto`).
 */
export function decodeTraceRequest(bytes: Uint8Array): Record<string, unknown> {
  return decode(Buffer.from(bytes), EXPORT_REQUEST)
}

type Kind = 'text' | 'hex' | 'bool' | 'number' | 'integer' | 'fixed64' | 'fixed32' | 'double'

interface Field {
  readonly name: string
  readonly as: Kind | (() => Message)
  readonly repeated?: true
}
type Message = Readonly<Record<number, Field>>

const one = (name: string, as: Field['as']): Field => ({ name, as })
const many = (name: string, as: Field['as']): Field => ({ name, as, repeated: true })

const ANY_VALUE: Message = {
  1: one('stringValue', 'text'),
  2: one('boolValue', 'bool'),
  3: one('intValue', 'integer'),
  4: one('doubleValue', 'double'),
  5: one('arrayValue', () => ({ 1: many('values', () => ANY_VALUE) })),
  6: one('kvlistValue', () => ({ 1: many('values', () => KEY_VALUE) })),
  7: one('bytesValue', 'hex'),
}
const KEY_VALUE: Message = { 1: one('key', 'text'), 2: one('value', () => ANY_VALUE) }
const attributes = many('attributes', () => KEY_VALUE)

const EVENT: Message = {
  1: one('timeUnixNano', 'fixed64'),
  2: one('name', 'text'),
  3: attributes,
  4: one('droppedAttributesCount', 'number'),
}
const LINK: Message = { 1: one('traceId', 'hex'), 2: one('spanId', 'hex'), 4: attributes }
const SPAN: Message = {
  1: one('traceId', 'hex'),
  2: one('spanId', 'hex'),
  3: one('traceState', 'text'),
  4: one('parentSpanId', 'hex'),
  5: one('name', 'text'),
  6: one('kind', 'number'),
  7: one('startTimeUnixNano', 'fixed64'),
  8: one('endTimeUnixNano', 'fixed64'),
  9: attributes,
  10: one('droppedAttributesCount', 'number'),
  11: many('events', () => EVENT),
  12: one('droppedEventsCount', 'number'),
  13: many('links', () => LINK),
  15: one('status', () => ({ 2: one('message', 'text'), 3: one('code', 'number') })),
  16: one('flags', 'fixed32'),
}
const SCOPE: Message = { 1: one('name', 'text'), 2: one('version', 'text') }
const SCOPE_SPANS: Message = { 1: one('scope', () => SCOPE), 2: many('spans', () => SPAN) }
const RESOURCE_SPANS: Message = {
  1: one('resource', () => ({ 1: attributes })),
  2: many('scopeSpans', () => SCOPE_SPANS),
}
const EXPORT_REQUEST: Message = { 1: many('resourceSpans', () => RESOURCE_SPANS) }

const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5]

function decode(bytes: Buffer, message: Message): Record<string, unknown> {
  const decoded: Record<string, unknown> = {}
  for (let at = 0; at < bytes.length; ) {
    const key = varint(bytes, at)
    const wire = Number(key.value & 7n)
    const raw = wireValue(bytes, key.end, wire)
    at = raw.end
    const field = message[Number(key.value >> 3n)]
    if (field === undefined) continue
    const value = valueOf(field, raw)
    if (field.repeated) decoded[field.name] = [...((decoded[field.name] as unknown[]) ?? []), value]
    else decoded[field.name] = value
  }
  return decoded
}

interface Raw {
  readonly bytes: Buffer
  readonly varint: bigint
  readonly end: number
}

function wireValue(bytes: Buffer, at: number, wire: number): Raw {
  const take = (from: number, length: number): Raw => {
    const end = from + length
    if (end > bytes.length) throw new RangeError('the message is cut off')
    return { bytes: bytes.subarray(from, end), varint: 0n, end }
  }
  if (wire === FIXED64) return take(at, 8)
  if (wire === FIXED32) return take(at, 4)
  const { value, end } = varint(bytes, at)
  if (wire === BYTES) return take(end, Number(value))
  if (wire === VARINT) return { bytes: Buffer.alloc(0), varint: value, end }
  throw new RangeError(`wire type ${wire}`)
}

function valueOf({ as }: Field, raw: Raw): unknown {
  switch (as) {
    case 'text':
      return raw.bytes.toString('utf8')
    case 'hex':
      return raw.bytes.toString('hex')
    case 'bool':
      return raw.varint !== 0n
    case 'number':
      return Number(raw.varint)
    case 'integer':
      return `${BigInt.asIntN(64, raw.varint)}`
    case 'fixed64':
      return `${raw.bytes.readBigUInt64LE()}`
    case 'fixed32':
      return raw.bytes.readUInt32LE()
    case 'double':
      return raw.bytes.readDoubleLE()
    default:
      return decode(raw.bytes, as())
  }
}

function varint(bytes: Buffer, at: number): { value: bigint; end: number } {
  let value = 0n
  for (let end = at, shift = 0n; ; end++, shift += 7n) {
    const byte = bytes[end]
    if (byte === undefined) throw new RangeError('the message is cut off')
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return { value, end: end + 1 }
  }
}
