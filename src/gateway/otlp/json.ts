import { isUtf8 } from 'node:buffer'
import { JSON } from '../../host/globals.js'
import { SPAN_EVENT_NAME } from '../../otel/span-event.js'
import {
  type FoundEvent,
  Malformed,
  type OtlpAttributes,
  type OtlpValue,
  type Signal,
  UNUSABLE,
} from './found-event.js'

/** Whatever JSON says; nothing about its members is believed. */
type Json = Readonly<Record<string, unknown>>

/**
 * The audit events of one element of `resourceSpans` or `resourceLogs`.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 * @throws Malformed when it is not JSON
 */
export function readJsonResource(bytes: Buffer, signal: Signal): readonly FoundEvent[] {
  const text = bytes.toString('utf8')
  // A serialiser may write any character as an escape.
  if (!text.includes(SPAN_EVENT_NAME) && !text.includes('\\u')) return []
  const source: Source = { bytes, isText: isUtf8(bytes) }
  const resourceOf = objectOf(parsed(text))
  const resource = attributesOf(objectOf(resourceOf['resource'])['attributes'], source)
  const [scopes, records] = signal === 'traces' ? (['scopeSpans', 'spans'] as const) : LOG_NAMES
  const found: FoundEvent[] = []
  for (const scope of listOf(resourceOf[scopes])) {
    for (const record of listOf(objectOf(scope)[records])) {
      if (signal === 'traces') found.push(...spanEvents(objectOf(record), resource, source))
      else found.push(...logEvent(objectOf(record), resource, source))
    }
  }
  return found
}

/** One event alone, as {@link FoundEvent.raw} gave it. @throws Malformed */
export function readJsonSingle(raw: Buffer, signal: Signal): FoundEvent | undefined {
  const source: Source = { bytes: raw, isText: isUtf8(raw) }
  const record = objectOf(parsed(raw.toString('utf8')))
  const [event] =
    signal === 'traces' ? spanEvents({ events: [record] }, NONE, source) : logEvent(record, NONE, source)
  return event
}

/** What an event was read from. */
interface Source {
  readonly bytes: Buffer
  /** It is UTF-8, so that nothing stands in the place of bytes that are none. */
  readonly isText: boolean
}

const LOG_NAMES = ['scopeLogs', 'logRecords'] as const
const NONE: OtlpAttributes = Object.freeze(Object.create(null) as Record<string, OtlpValue>)
const EVENT_NAME_ATTRIBUTE = 'event.name'

function spanEvents(span: Json, resource: OtlpAttributes, source: Source): FoundEvent[] {
  const ours = listOf(span['events'])
    .map(objectOf)
    .filter(({ name }) => name === SPAN_EVENT_NAME)
  return ours.map((event, ordinal) => ({
    traceId: idOf(span['traceId'], 32),
    spanId: idOf(span['spanId'], 16),
    timeNanos: nanosOf(event['timeUnixNano']),
    ordinal,
    attributes: attributesOf(event['attributes'], source),
    resource,
    isIncomplete: [
      event['droppedAttributesCount'],
      span['droppedAttributesCount'],
      span['droppedEventsCount'],
    ].some(isPositive),
    format: 'span-event/json' as const,
    raw: () => rawOf(event, source),
  }))
}

function logEvent(record: Json, resource: OtlpAttributes, source: Source): FoundEvent[] {
  const attributes = attributesOf(record['attributes'], source)
  const name = record['eventName'] || attributes[EVENT_NAME_ATTRIBUTE]
  if (name !== SPAN_EVENT_NAME) return []
  const time = nanosOf(record['timeUnixNano'])
  return [
    {
      traceId: idOf(record['traceId'], 32),
      spanId: idOf(record['spanId'], 16),
      timeNanos: time === 0n ? nanosOf(record['observedTimeUnixNano']) : time,
      ordinal: 0,
      attributes,
      resource,
      isIncomplete: isPositive(record['droppedAttributesCount']),
      format: 'log-record/json',
      raw: () => rawOf(record, source),
    },
  ]
}

/** For one that is nested deeper than the engine can write, the beginning of what it came in. */
function rawOf(record: Json, { bytes }: Source): Buffer {
  try {
    return Buffer.from(JSON.stringify(record))
  } catch {
    return bytes.subarray(0, MOST_OF_SOURCE)
  }
}

const MOST_OF_SOURCE = 64 * 1024

function attributesOf(given: unknown, source: Source): OtlpAttributes {
  const attributes = Object.create(null) as Record<string, OtlpValue>
  for (const pair of listOf(given)) {
    const { key, value } = objectOf(pair)
    if (typeof key !== 'string') continue
    const read = valueOf(objectOf(value), source)
    if (read === undefined) delete attributes[key]
    else attributes[key] = read
  }
  return attributes
}

function valueOf(value: Json, { isText }: Source): OtlpValue | undefined {
  const { stringValue, boolValue, intValue, doubleValue } = value
  if (typeof stringValue === 'string') {
    const isKnown = stringValue.isWellFormed() && (isText || !stringValue.includes('\u{fffd}'))
    return isKnown ? stringValue : UNUSABLE
  }
  if (typeof boolValue === 'boolean') return boolValue
  if (intValue !== undefined && intValue !== null) return int64Of(intValue)
  if (typeof doubleValue === 'number') return doubleValue
  // As the JSON form of protobuf writes what JSON has no number for.
  if (typeof doubleValue === 'string') return doubleValue.trim() === '' ? UNUSABLE : Number(doubleValue)
  return Object.keys(value).length === 0 ? undefined : UNUSABLE
}

/** A number that JSON may have rounded is of no use. */
function int64Of(value: unknown): OtlpValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : UNUSABLE
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) return UNUSABLE
  const read = BigInt(value)
  return BigInt.asIntN(64, read) === read ? read : UNUSABLE
}

/** 0 for what is not a time: the event says its own, or is kept aside. */
function nanosOf(value: unknown): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) {
    const read = BigInt(value)
    return BigInt.asUintN(64, read) === read ? read : 0n
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 2 ** 63) return 0n
  return BigInt(Math.floor(value))
}

function idOf(value: unknown, digits: 16 | 32): string {
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-fA-F]+$/.test(value)) return ''
  return /^0+$/.test(value) ? '' : value.toLowerCase()
}

/** An object may say of itself how it becomes a number. */
const isPositive = (value: unknown): boolean =>
  (typeof value === 'number' || typeof value === 'string') && Number(value) > 0

const EMPTY: Json = Object.freeze({})

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : EMPTY
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Malformed('it is not JSON')
  }
}
