import { Malformed, type FoundEvent, type OtlpAttributes } from '../../../src/gateway/otlp/found-event.js'
import { incomingOf } from '../../../src/gateway/incoming.js'
import { readResource } from '../../../src/gateway/otlp/protobuf.js'
import { ProtobufSlicer } from '../../../src/gateway/otlp/slices.js'
import { ACCESS, auditSpan, logsOf, otherSpan, protobufOf, text, tracesOf } from './requests.js'
import { decodedByReference, hasOtherWireType, type Message } from './otlp-schema.js'

/** What became of mutated bodies. */
export interface Tally {
  both: number
  differ: number
  /** Read differently, and there is a field whose wire type is not that of its number. */
  otherWireType: number
  ownOnly: number
  referenceOnly: number
  neither: number
  /** Of the first bodies that the two read differently, base64. */
  readonly examples: string[]
}

/** A number from 0 to less than 1, the same for the same seed. mulberry32, by Tommy Ettinger, in the public domain. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const VALUES = [
  { key: 'int', value: { intValue: '-5' } },
  { key: 'bool', value: { boolValue: true } },
  { key: 'double', value: { doubleValue: 0.25 } },
  { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }] } } },
  { key: 'none', value: {} },
]

const BODIES: readonly (readonly [Message, Buffer])[] = [
  [
    'TracesRequest',
    protobufOf(tracesOf([auditSpan({ events: 2, attributes: [...ACCESS, ...VALUES] }), otherSpan()])),
  ],
  [
    'TracesRequest',
    protobufOf(tracesOf([otherSpan(), auditSpan({ dropped: 1 })], [text('service.name', 'ü')])),
  ],
  [
    'LogsRequest',
    protobufOf(
      logsOf([
        {
          timeUnixNano: '5',
          eventName: 'secret.access',
          attributes: [...ACCESS, ...VALUES],
          traceId: 'ab'.repeat(16),
        },
        { observedTimeUnixNano: '6', attributes: [text('event.name', 'secret.access'), ...ACCESS] },
        { timeUnixNano: '7', body: { stringValue: 'hello' } },
      ]),
    ),
  ],
]

/** Changes bodies at random, and holds what is read of each against what protobufjs reads. */
export function differential(runs: number, seed: number): Tally {
  const random = seeded(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  const tally: Tally = {
    both: 0,
    differ: 0,
    otherWireType: 0,
    ownOnly: 0,
    referenceOnly: 0,
    neither: 0,
    examples: [],
  }
  for (let run = 0; run < runs; run++) {
    const [message, body] = BODIES[run % BODIES.length] ?? ['TracesRequest', Buffer.alloc(0)]
    const mutated = Buffer.from(body)
    for (let n = 1 + below(3); n > 0; n--) mutated[below(mutated.length)] = below(256)
    const bytes = random() < 0.2 ? mutated.subarray(0, below(mutated.length)) : mutated
    const own = attempt(() => ownReading(message, bytes, 1 + below(64)), Malformed)
    const reference = attempt(() => referenceReading(message, bytes), Error)
    if (own !== undefined && reference !== undefined) {
      tally.both++
      if (JSON.stringify(own) === JSON.stringify(reference)) continue
      // protobufjs reads a field by its number alone: one of another wire type is not that field.
      if (hasOtherWireType(message, bytes)) {
        tally.otherWireType++
      } else {
        tally.differ++
        if (tally.examples.length < 3) tally.examples.push(bytes.toString('base64'))
      }
    } else if (own !== undefined) tally.ownOnly++
    else if (reference !== undefined) tally.referenceOnly++
    else tally.neither++
  }
  return tally
}

function attempt<T>(read: () => T, expected: new (message: string) => Error): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof expected) return undefined
    throw error
  }
}

/** In chunks of so many bytes, as from a network. */
function ownReading(message: Message, bytes: Buffer, chunk: number): unknown {
  const slicer = new ProtobufSlicer(1 << 20)
  const slices: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunk) slices.push(...slicer.push(bytes.subarray(at, at + chunk)))
  slicer.end()
  const signal = message === 'TracesRequest' ? 'traces' : 'logs'
  const found = slices.flatMap((slice) => readResource(slice, signal))
  // Whatever was found is an event, or is kept aside.
  for (const event of found) incomingOf(event, ANYBODY, NOW)
  return found.map(plain)
}

const ANYBODY = { name: 'x', mayNameService: () => true }
const NOW = Date.now()

const plain = ({ traceId, spanId, timeNanos, ordinal, attributes, resource, isIncomplete }: FoundEvent) => ({
  traceId,
  spanId,
  timeNanos: `${timeNanos}`,
  ordinal,
  isIncomplete,
  attributes: plainAttributes(attributes),
  resource: plainAttributes(resource),
})

const plainAttributes = (attributes: OtlpAttributes) =>
  Object.keys(attributes)
    .sort()
    .map((key) => [
      key,
      typeof attributes[key] === 'object' ? 'unusable' : `${typeof attributes[key]} ${attributes[key]}`,
    ])

type Any = Readonly<Record<string, unknown>>

/** What protobufjs reads of it, said as {@link plain} says it. */
function referenceReading(message: Message, bytes: Buffer): unknown {
  const request = decodedByReference(message, bytes) as Any
  const found: unknown[] = []
  for (const resourceOf of list(request[message === 'TracesRequest' ? 'resourceSpans' : 'resourceLogs'])) {
    const resource = attributesOf((resourceOf['resource'] as Any | null)?.['attributes'])
    for (const scope of list(resourceOf[message === 'TracesRequest' ? 'scopeSpans' : 'scopeLogs'])) {
      if (message === 'TracesRequest')
        for (const span of list(scope['spans'])) found.push(...eventsOf(span, resource))
      else for (const record of list(scope['logRecords'])) found.push(...recordOf(record, resource))
    }
  }
  return found
}

function eventsOf(span: Any, resource: unknown): unknown[] {
  const ours = list(span['events']).filter(({ name }) => textOf(name) === 'secret.access')
  return ours.map((event, ordinal) => ({
    traceId: idOf(span['traceId'], 16),
    spanId: idOf(span['spanId'], 8),
    timeNanos: `${event['timeUnixNano'] as number}`,
    ordinal,
    isIncomplete:
      [event, span].some((one) => one['droppedAttributesCount'] !== 0) || span['droppedEventsCount'] !== 0,
    attributes: attributesOf(event['attributes']),
    resource,
  }))
}

function recordOf(record: Any, resource: unknown): unknown[] {
  const attributes = attributesOf(record['attributes'])
  const name = textOf(record['eventName'])
  const isNamed = attributes.some(([key, value]) => key === 'event.name' && value === 'string secret.access')
  if (name !== 'secret.access' && !(name === '' && isNamed)) return []
  const time = `${record['timeUnixNano'] as number}`
  return [
    {
      traceId: idOf(record['traceId'], 16),
      spanId: idOf(record['spanId'], 8),
      timeNanos: time === '0' ? `${record['observedTimeUnixNano'] as number}` : time,
      ordinal: 0,
      isIncomplete: record['droppedAttributesCount'] !== 0,
      attributes,
      resource,
    },
  ]
}

const list = (value: unknown): readonly Any[] => (value ?? []) as readonly Any[]

const textOf = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString('utf8')

function idOf(bytes: unknown, length: number): string {
  const id = Buffer.from(bytes as Uint8Array).toString('hex')
  return id.length === length * 2 && !/^0+$/.test(id) ? id : ''
}

function attributesOf(given: unknown): [string, string][] {
  const attributes = new Map<string, string>()
  for (const { key, value } of list(given)) {
    const name = isText(key) ? textOf(key) : ''
    const read = valueOf(value as Any | null)
    if (read === undefined) attributes.delete(name)
    else attributes.set(name, read)
  }
  return [...attributes].sort(([a], [b]) => (a < b ? -1 : 1))
}

function valueOf(value: Any | null): string | undefined {
  const kind = (value as { value?: string } | null)?.value
  switch (kind) {
    case undefined:
      return undefined
    case 'stringValue':
      return isText(value?.[kind]) ? `string ${textOf(value?.[kind])}` : 'unusable'
    case 'boolValue':
      return `boolean ${String(value?.[kind])}`
    case 'intValue':
      return `bigint ${String(value?.[kind])}`
    case 'doubleValue':
      return `number ${String(value?.[kind])}`
    default:
      return 'unusable'
  }
}

function isText(bytes: unknown): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes as Uint8Array)
    return true
  } catch {
    return false
  }
}
