import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

// One form for spans from wherever: what the SDK has in hand, and OTLP/JSON as the collector writes and sends it.
// Integers keep their digits, and a value keeps its type: { int: '1' } is not { double: 1 } and not '1'.

export const RECORD_ID = 'audit.record.id'

/** The spans of an OTLP/JSON request or line. */
export function spansOf({ resourceSpans = [] }) {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => ({
        ...fromOtlp(span),
        resource: attributesOf(resource?.attributes),
        scope: { name: scope?.name ?? '', version: scope?.version ?? '' },
      })),
    ),
  )
}

/** A span of OTLP/JSON, without its resource and scope. */
export function fromOtlp(span) {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    name: span.name,
    kind: span.kind ?? 0,
    start: String(span.startTimeUnixNano),
    end: String(span.endTimeUnixNano),
    status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
    attributes: attributesOf(span.attributes),
    events: (span.events ?? []).map((event) => ({
      name: event.name,
      time: String(event.timeUnixNano),
      attributes: attributesOf(event.attributes),
    })),
    dropped: (span.droppedAttributesCount ?? 0) + (span.droppedEventsCount ?? 0),
  }
}

/** A finished span of the JavaScript SDK. */
export function fromReadable(span) {
  return {
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    parentSpanId: span.parentSpanContext?.spanId ?? '',
    name: span.name,
    kind: span.kind + 1, // OTLP has UNSPECIFIED before them.
    start: nanoseconds(span.startTime),
    end: nanoseconds(span.endTime),
    status: { code: span.status.code, message: span.status.message ?? '' },
    attributes: fromRecord(span.attributes),
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      time: nanoseconds(time),
      attributes: fromRecord(attributes ?? {}),
    })),
    dropped: span.droppedAttributesCount + span.droppedEventsCount,
    resource: fromRecord(span.resource.attributes),
    scope: { name: span.instrumentationScope.name, version: span.instrumentationScope.version ?? '' },
  }
}

/** What the filter lets through. */
export function isAudit({ name, attributes }) {
  return RECORD_ID in attributes || name.startsWith('secret_audit ')
}

/** OTLP attributes as a record. A key that comes twice would be a fault of its own. */
export function attributesOf(list = []) {
  const record = Object.fromEntries(list.map(({ key, value }) => [key, fromAnyValue(value ?? {})]))
  if (Object.keys(record).length !== list.length) throw new Error('an attribute key comes twice')
  return record
}

function fromAnyValue({ stringValue, boolValue, intValue, doubleValue, arrayValue }) {
  if (intValue !== undefined) return { int: String(intValue) }
  if (doubleValue !== undefined) return { double: doubleValue }
  if (arrayValue !== undefined) return (arrayValue.values ?? []).map(fromAnyValue)
  return stringValue ?? boolValue
}

function fromRecord(record) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fromValue(value)]))
}

function fromValue(value) {
  if (Array.isArray(value)) return value.map(fromValue)
  if (typeof value !== 'number') return value
  return Number.isInteger(value) ? { int: String(value) } : { double: value }
}

function nanoseconds([seconds, nanos]) {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(nanos))
}

/** What is wrong with `actual` when it should hold each of `expected` once; fields that `expected` lacks are not compared. */
export function differences(expected, actual) {
  const held = byId(actual)
  return expected.flatMap((span) => {
    const found = held.get(idOf(span)) ?? []
    if (found.length !== 1) return [`${span.name} ${idOf(span)}: ${found.length} times`]
    const fields = Object.keys(span).filter((field) => !isDeepStrictEqual(span[field], found[0][field]))
    return fields.map(
      (field) =>
        `${span.name} ${idOf(span)}: ${field}: ${JSON.stringify(found[0][field])} in place of ${JSON.stringify(span[field])}`,
    )
  })
}

function idOf({ traceId, spanId }) {
  return `${traceId}/${spanId}`
}

function byId(spans) {
  const groups = new Map()
  for (const span of spans) groups.set(idOf(span), [...(groups.get(idOf(span)) ?? []), span])
  return groups
}

/** The audit file and what was rotated out of it, oldest first. */
export async function auditFiles(path) {
  const stem = basename(path, '.jsonl')
  const names = (await readdir(dirname(path)).catch(() => [])).filter((name) => name.startsWith(stem))
  return names.filter((name) => name.endsWith('.jsonl')).map((name) => join(dirname(path), name))
}

/** All spans in the audit files. */
export async function readAuditFiles(path) {
  const texts = await Promise.all((await auditFiles(path)).map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) => text.split('\n').flatMap(requestsOf).flatMap(spansOf))
}

/**
 * The requests of a line. One, as a rule; where a write was cut off (the disk was full, the power failed), the next one
 * follows on the same line. A request cannot begin inside a string: the quotation mark would be escaped.
 */
function requestsOf(line) {
  const starts = [...line.matchAll(/\{"resourceSpans":/g)].map(({ index }) => index)
  return starts.flatMap((start, i) => {
    try {
      return [JSON.parse(line.slice(start, starts[i + 1]))]
    } catch {
      return [] // Cut off, so never acknowledged: its sender has sent it again.
    }
  })
}
