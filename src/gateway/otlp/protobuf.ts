import { SPAN_EVENT_NAME } from '../../otel/span-event.js'
import { type FoundEvent, type OtlpAttributes, type OtlpValue, type Signal, UNUSABLE } from './found-event.js'
import { WireReader } from './wire-reader.js'

const NAME = Buffer.from(SPAN_EVENT_NAME)

// Field number and wire type, as they stand in front of a field: number × 8 + type. `trace.proto`, `logs.proto`, `common.proto`
// and `resource.proto` of opentelemetry-proto 1.x.
const RESOURCE = 0x0a
const SCOPES = 0x12
const RECORDS_OF_SCOPE = 0x12
const ATTRIBUTES_OF_RESOURCE = 0x0a
const SPAN = { traceId: 0x0a, spanId: 0x12, droppedAttributes: 0x50, events: 0x5a, droppedEvents: 0x60 }
const EVENT = { time: 0x09, name: 0x12, attributes: 0x1a, droppedAttributes: 0x20 }
const LOG = {
  time: 0x09,
  attributes: 0x32,
  droppedAttributes: 0x38,
  traceId: 0x4a,
  spanId: 0x52,
  observed: 0x59,
  eventName: 0x62,
}
const KEY = 0x0a
const VALUE = 0x12
const ANY = { text: 0x0a, bool: 0x10, int: 0x18, double: 0x21, list: 0x2a, map: 0x32, bytes: 0x3a }

/** Name of a log record whose SDK has no field for it. */
const EVENT_NAME_ATTRIBUTE = 'event.name'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * The audit events of one `ResourceSpans` or `ResourceLogs`. Everything else in it is stepped over, unread: a span that is not
 * ours costs 0.2 µs.
 *
 * @throws Malformed
 */
export function readResource(bytes: Buffer, signal: Signal): readonly FoundEvent[] {
  // The name stands in it as it is, or there is nothing of ours.
  if (bytes.indexOf(NAME) === -1) return []
  const found: Mutable<FoundEvent>[] = []
  const reader = new WireReader(bytes)
  let resource: [at: number, end: number] | undefined
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === RESOURCE) {
      const end = reader.length()
      resource = [reader.at, end]
      reader.at = end
    } else if (tag === SCOPES) {
      within(reader, (end) => readScope(reader, end, signal, found))
    } else {
      reader.skip(tag)
    }
  }
  if (found.length > 0 && resource !== undefined) {
    const attributes = readAttributes(new WireReader(bytes, ...resource), ATTRIBUTES_OF_RESOURCE)
    for (const event of found) event.resource = attributes
  }
  return found
}

/** One event alone, as {@link FoundEvent.raw} gave it. @throws Malformed */
export function readSingle(raw: Buffer, signal: Signal): FoundEvent | undefined {
  const found: Mutable<FoundEvent>[] = []
  const reader = new WireReader(raw)
  if (signal === 'traces') readEvent(reader, found)
  else readLog(reader, found)
  return found[0]
}

const NONE: OtlpAttributes = Object.freeze(Object.create(null) as Record<string, OtlpValue>)

/** Reads a field that is a message: the reader ends with it meanwhile, and is behind it afterwards. */
function within(reader: WireReader, read: (end: number) => void): void {
  const { end } = reader
  const inner = reader.length()
  reader.end = inner
  read(inner)
  reader.at = inner
  reader.end = end
}

function readScope(reader: WireReader, end: number, signal: Signal, found: Mutable<FoundEvent>[]): void {
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== RECORDS_OF_SCOPE) {
      reader.skip(tag)
      continue
    }
    const inner = reader.length()
    reader.end = inner
    if (signal === 'traces') readSpan(reader, found)
    else readLog(reader, found)
    reader.at = inner
    reader.end = end
  }
}

function readSpan(reader: WireReader, found: Mutable<FoundEvent>[]): void {
  const { end } = reader
  const first = found.length
  let traceId = ''
  let spanId = ''
  let isIncomplete = false
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case SPAN.traceId:
        traceId = reader.id(16)
        break
      case SPAN.spanId:
        spanId = reader.id(8)
        break
      case SPAN.events: {
        const inner = reader.length()
        reader.end = inner
        readEvent(reader, found)
        reader.at = inner
        reader.end = end
        break
      }
      case SPAN.droppedEvents:
      case SPAN.droppedAttributes:
        isIncomplete = reader.bool() || isIncomplete
        break
      default:
        reader.skip(tag)
    }
  }
  for (let i = first; i < found.length; i++) {
    const event = found[i]
    if (event === undefined) continue
    event.traceId = traceId
    event.spanId = spanId
    event.ordinal = i - first
    event.isIncomplete ||= isIncomplete
  }
}

/** From where the reader is to its end. */
function readEvent(reader: WireReader, found: Mutable<FoundEvent>[]): void {
  const { bytes, at: start, end } = reader
  let timeNanos = 0n
  let isOurs = false
  let isIncomplete = false
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === EVENT.time) {
      timeNanos = reader.fixed64()
    } else if (tag === EVENT.name) {
      isOurs = isName(reader)
    } else if (tag === EVENT.droppedAttributes) {
      isIncomplete = reader.bool()
    } else {
      reader.skip(tag)
    }
  }
  if (!isOurs) return
  const attributes = readAttributes(new WireReader(bytes, start, end), EVENT.attributes)
  found.push({
    traceId: '',
    spanId: '',
    timeNanos,
    ordinal: 0,
    attributes,
    resource: NONE,
    isIncomplete,
    format: 'span-event/protobuf',
    raw: () => bytes.subarray(start, end),
  })
}

function readLog(reader: WireReader, found: Mutable<FoundEvent>[]): void {
  const { bytes, at: start, end } = reader
  let time = 0n
  let observed = 0n
  let traceId = ''
  let spanId = ''
  let hasName = false
  let isOurs = false
  let isIncomplete = false
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case LOG.time:
        time = reader.fixed64()
        break
      case LOG.observed:
        observed = reader.fixed64()
        break
      case LOG.traceId:
        traceId = reader.id(16)
        break
      case LOG.spanId:
        spanId = reader.id(8)
        break
      case LOG.eventName:
        hasName = true
        isOurs = isName(reader)
        break
      case LOG.droppedAttributes:
        isIncomplete = reader.bool()
        break
      default:
        reader.skip(tag)
    }
  }
  if (hasName && !isOurs) return
  const attributes = readAttributes(new WireReader(bytes, start, end), LOG.attributes)
  if (!isOurs && attributes[EVENT_NAME_ATTRIBUTE] !== SPAN_EVENT_NAME) return
  found.push({
    traceId,
    spanId,
    timeNanos: time === 0n ? observed : time,
    ordinal: 0,
    attributes,
    resource: NONE,
    isIncomplete,
    format: 'log-record/protobuf',
    raw: () => bytes.subarray(start, end),
  })
}

function isName(reader: WireReader): boolean {
  const end = reader.length()
  const { at } = reader
  reader.at = end
  return end - at === NAME.length && reader.bytes.compare(NAME, 0, NAME.length, at, end) === 0
}

/** The attributes of a message that has them in a field with the tag `wanted`. */
function readAttributes(reader: WireReader, wanted: number): OtlpAttributes {
  const { end } = reader
  const attributes = Object.create(null) as Record<string, OtlpValue>
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== wanted) {
      reader.skip(tag)
      continue
    }
    const inner = reader.length()
    reader.end = inner
    let key = ''
    let value: OtlpValue | undefined
    for (let part = reader.tag(); part !== 0; part = reader.tag()) {
      if (part === KEY) {
        key = reader.text() ?? ''
      } else if (part === VALUE) {
        const last = reader.length()
        reader.end = last
        value = readValue(reader)
        reader.at = last
        reader.end = inner
      } else {
        reader.skip(part)
      }
    }
    if (value === undefined) delete attributes[key]
    else attributes[key] = value
    reader.at = inner
    reader.end = end
  }
  return attributes
}

/** Of an AnyValue. Of several the last one: it is a `oneof`. */
function readValue(reader: WireReader): OtlpValue | undefined {
  let value: OtlpValue | undefined
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case ANY.text:
        value = reader.text() ?? UNUSABLE
        break
      case ANY.bool:
        value = reader.bool()
        break
      case ANY.int:
        value = reader.int64()
        break
      case ANY.double:
        value = reader.double()
        break
      case ANY.list:
      case ANY.map:
      case ANY.bytes:
        reader.skip(tag)
        value = UNUSABLE
        break
      default:
        reader.skip(tag)
    }
  }
  return value
}
