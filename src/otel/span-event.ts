import type { Attributes, HrTime } from '@opentelemetry/api'
import { AuditError } from '../errors.js'
import {
  type AttributeValue,
  type AuditAttributes,
  encodeAttributes,
  GATEWAY_PREFIX,
  SANITIZED_PREFIX,
} from '../event/attributes.js'
import type { ActorType, AuditEvent, AuditFields } from '../event/event.js'
import { TEXT_LIMITS } from '../event/fields.js'
import type { Operation, Outcome } from '../event/vocabulary.js'
import type { RowPlace } from '../contract/receipt.js'
import { parseFlatObject } from '../host/json-text.js'

/** Name of the span event that is an audit event. */
export const SPAN_EVENT_NAME = 'secret.access'
/** Span attribute on every audit span, so that collectors can route on it. */
export const RECORD_ID_ATTRIBUTE = 'audit.record.id'
/** Span of a committed block. */
export const BLOCK_SPAN_NAME = 'secret_audit commit'
/** Event on that span, or log record, that has the whole block as a signed note. */
export const ANCHOR_NAME = 'secret_audit.anchor'
/** What a trace says of a row and of the block that it is in. */
export const BLOCK_ATTRIBUTES = Object.freeze({
  /** On a strict audit span: SHA-256 of the event, hex. */
  digest: 'secret_audit.digest',
  /** On a strict audit span: where its row is, as {@link placeText} writes it. */
  place: 'secret_audit.place',
  /** On the span of the block: the name of the log, the chain, the number. */
  log: 'secret_audit.log',
  chain: 'secret_audit.chain',
  block: 'secret_audit.block',
  rows: 'secret_audit.rows',
  /** How many of its rows have a span that it is not linked to: an SDK keeps 128 links. */
  linksOmitted: 'secret_audit.links_omitted',
  kind: 'secret_audit.block_kind',
  /** SHA-256 of the block's text, hex. */
  hash: 'secret_audit.block_hash',
  /** The signed note. */
  note: 'secret_audit.note',
})
const PREFIX = 'secret_audit.'
/** How many characters the values of all other `secret_audit.*` attributes have: an SDK may have cut them since. */
const CHARS = `${PREFIX}chars`

export function auditSpanName(operation: string): string {
  return `secret_audit ${operation}`
}

/** `<log>/<chain>/<block>/<index>`: the name of the chain's key, as its blocks are signed by it, and the row in it. */
export function placeText({ log, chain, block, index }: RowPlace): string {
  return `${log}/${chain}/${block}/${index}`
}

/** The parts of {@link placeText}, unchecked; undefined for what does not have as many. */
export function placeParts(text: string): Readonly<Record<keyof RowPlace, string>> | undefined {
  const [match, log = '', chain = '', block = '', index = ''] =
    /^(.+)\/([^/]*)\/([^/]*)\/([^/]*)$/.exec(text) ?? []
  return match === undefined ? undefined : { log, chain, block, index }
}

/** The time of the span event. Undefined where OTLP has none like it: before 1970. */
export function spanEventTime({ occurredAt }: AuditEvent): HrTime | undefined {
  if (occurredAt < 0) return undefined
  return [Math.floor(occurredAt / 1_000_000), (occurredAt % 1_000_000) * 1000]
}

/** The service and its instance: of an event, or as the resource of a span says it. */
export interface SpanIdentity {
  readonly serviceName: string | null
  readonly serviceInstanceId: string | null
}

/**
 * The audit event as attributes of a span event: simple values only, since others are dropped by the SDK.
 * Ids are decimal strings, because 64-bit integers do not survive JSON.
 *
 * Together with {@link spanEventTime}, the span's ids and its resource they are all that the digest covers.
 *
 * Every attribute counts: the SDK copies an event of 19 in 1.7 µs, one of 20 in 14 (2026-11-26: its copy is no longer
 * an object with fast properties), and the exporter pays again: about 11 ns a byte.
 *
 * @param resource what need not be said again. Undefined: it is not known
 */
export function toSpanEvent(event: AuditEvent, resource: SpanIdentity | undefined): Attributes {
  const attributes: Attributes = {
    'secret_audit.audit_id': `${event.auditId}`,
    'secret_audit.credential': event.credential,
    'secret_audit.operation': event.operation,
    'secret_audit.outcome': event.outcome,
  }
  if (event.occurredAt < 0) attributes['secret_audit.occurred_at'] = `${event.occurredAt}`
  const { serviceName, serviceInstanceId } = event
  if (serviceName !== resource?.serviceName || serviceInstanceId !== resource.serviceInstanceId)
    addIdentity(event, resource, attributes)
  if (event.workerId !== null) attributes['secret_audit.worker_id'] = event.workerId
  if (event.executionId !== null) attributes['secret_audit.execution_id'] = `${event.executionId}`
  if (event.parentExecutionId !== null)
    attributes['secret_audit.parent_execution_id'] = `${event.parentExecutionId}`
  if (event.serverRegion !== null) attributes['secret_audit.server_region'] = event.serverRegion
  if (event.brokerRegion !== null) attributes['secret_audit.broker_region'] = event.brokerRegion
  if (event.kekVersion !== null) attributes['secret_audit.kek_version'] = event.kekVersion
  if (event.notes !== null) attributes['secret_audit.notes'] = event.notes
  if (event.actorId !== null) attributes['secret_audit.actor_id'] = event.actorId
  if (event.actorType !== null) attributes['secret_audit.actor_type'] = event.actorType
  if (event.sourceAddress !== null) attributes['secret_audit.source_address'] = event.sourceAddress
  if (event.attributesJson !== null) attributes['secret_audit.attributes'] = event.attributesJson
  attributes[CHARS] = `${charactersOf(attributes)}`
  return attributes
}

/** Which columns are NULL, although the resource has, or may have, a value for them. */
const NULL_COLUMNS = 'secret_audit.null'

function addIdentity(event: SpanIdentity, resource: SpanIdentity | undefined, attributes: Attributes): void {
  const columns = [
    ['service_name', event.serviceName, resource?.serviceName],
    ['service_instance_id', event.serviceInstanceId, resource?.serviceInstanceId],
  ] as const
  const differing = columns.filter(([, own, said]) => own !== said)
  for (const [column, own] of differing) if (own !== null) attributes[`secret_audit.${column}`] = own
  const nulls = differing.filter(([, own]) => own === null).map(([column]) => column)
  if (nulls.length > 0) attributes[NULL_COLUMNS] = nulls.join(' ')
}

/** Unicode code points of the values. Of what an event has: a surrogate never stands alone. */
function charactersOf(attributes: Attributes): number {
  let sum = 0
  for (const value of Object.values(attributes)) {
    if (typeof value !== 'string') continue
    sum += value.length
    if (SURROGATE.test(value)) sum -= value.match(PAIR)?.length ?? 0
  }
  return sum
}

const SURROGATE = /[\ud800-\udbff]/
const PAIR = /[\ud800-\udbff][\udc00-\udfff]/g

/** Operations that only read a credential. */
const READS: ReadonlySet<string> = new Set<Operation>([
  'get_sealed',
  'cross_region_broker_serve',
  'resolve_keychain',
  'get_credential',
  'query_trail',
  'export_trail',
])

/**
 * The same by the draft OpenTelemetry audit-log conventions, as of OTEP 0267. They are not merged and have been renamed
 * before: this function is the only place that knows them, and no conformance is claimed.
 */
export function toAuditLogDraft(event: AuditEvent): Attributes {
  const attributes: Attributes = { [RECORD_ID_ATTRIBUTE]: `${event.auditId}` }
  attributes['audit.actor.id'] = event.actorId ?? 'unknown'
  if (event.actorType !== null) attributes['audit.actor.type'] = event.actorType
  attributes['audit.action'] = READS.has(event.operation) ? 'READ' : event.operation.toUpperCase()
  attributes['audit.outcome'] = event.outcome === 'ok' ? 'success' : 'failure'
  attributes['audit.target.id'] = event.credential
  attributes['audit.target.type'] = 'credential'
  if (event.sourceAddress !== null) attributes['audit.source.id'] = event.sourceAddress
  return attributes
}

/** Draft name → name of ours, where the value is taken as it is. */
const OF_DRAFT: readonly (readonly [string, string])[] = [
  ['audit.target.id', 'credential'],
  ['audit.actor.type', 'actor_type'],
  ['audit.source.id', 'source_address'],
]

/**
 * The attributes of somebody who writes those of the draft conventions alone, as ours; any others as they are. The inverse of
 * the projection above, as far as there is one.
 */
export function withoutDraft(
  attributes: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const isOurs = ['credential', 'operation', 'outcome'].some((name) => `${PREFIX}${name}` in attributes)
  const { 'audit.action': action, 'audit.outcome': outcome, 'audit.actor.id': actor } = attributes
  if (isOurs || typeof action !== 'string' || typeof outcome !== 'string') return attributes
  const read: Record<string, unknown> = Object.assign(Object.create(null), attributes)
  for (const [theirs, ours] of OF_DRAFT) {
    if (theirs in attributes) read[`${PREFIX}${ours}`] = attributes[theirs]
  }
  read[`${PREFIX}operation`] = action.toLowerCase().replaceAll(/[^a-z0-9_]+/g, '_')
  read[`${PREFIX}outcome`] = outcome === 'success' ? 'ok' : outcome === 'failure' ? 'other' : outcome
  if (actor !== undefined && actor !== 'unknown') read[`${PREFIX}actor_id`] = actor
  const id = attributes[RECORD_ID_ATTRIBUTE]
  if (/^\d{1,19}$/.test(String(id))) read[`${PREFIX}audit_id`] = id
  return read
}

/** What a span event says, read back. `auditId` is absent when code other than this library made it. */
export interface ReadBack {
  readonly fields: AuditFields
  /** `sanitized.*` entries, which are not the caller's to give. */
  readonly markers: Readonly<Record<string, string>>
  readonly auditId: bigint | undefined
  /** µs since the Unix epoch. Undefined: that of the span event */
  readonly occurredAt: number | undefined
  /** Undefined: that of the resource. */
  readonly serviceName: string | null | undefined
  readonly serviceInstanceId: string | null | undefined
  /** The values have other lengths than when they were written: something has cut them. */
  readonly isCut: boolean
}

/**
 * Reads the attributes of a `secret.access` event. Any code may have set them: no type is assumed. Numbers and booleans
 * are taken as the text that they are written as.
 *
 * @returns undefined when credential, operation or outcome is missing
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field: a value that is there and cannot be what the field is. To leave
 *   it out would store an event that says less than its author did
 */
export function fromSpanEvent(attributes: Readonly<Record<string, unknown>>): ReadBack | undefined {
  // By whole keys: one that is put together is found by the engine anew each time.
  const text = (key: string): string | undefined => {
    const value = Object.hasOwn(attributes, key) ? attributes[key] : undefined
    return value === undefined || value === null ? undefined : textOf(key, value)
  }
  const credential = text('secret_audit.credential')
  const operation = text('secret_audit.operation')
  const outcome = text('secret_audit.outcome')
  if (!credential || !operation || !outcome) return undefined
  const { attributes: own, markers } = parsedAttributes(text('secret_audit.attributes'))
  const nulls = text('secret_audit.null')?.split(' ') ?? []
  const name = (column: string, key: string): string | null | undefined =>
    nulls.includes(column) ? null : text(key)
  return {
    auditId: natural('audit_id', text('secret_audit.audit_id')),
    occurredAt: microseconds('occurred_at', text('secret_audit.occurred_at')),
    serviceName: name('service_name', 'secret_audit.service_name'),
    serviceInstanceId: name('service_instance_id', 'secret_audit.service_instance_id'),
    markers,
    isCut: isCut(attributes, text('secret_audit.chars')),
    fields: {
      credential,
      operation: operation as Operation,
      outcome: outcome as Outcome,
      workerId: text('secret_audit.worker_id'),
      executionId: integer('execution_id', text('secret_audit.execution_id')),
      parentExecutionId: integer('parent_execution_id', text('secret_audit.parent_execution_id')),
      serverRegion: text('secret_audit.server_region'),
      brokerRegion: text('secret_audit.broker_region'),
      kekVersion: text('secret_audit.kek_version'),
      notes: text('secret_audit.notes'),
      actorId: text('secret_audit.actor_id'),
      actorType: actorType(text('secret_audit.actor_type')),
      sourceAddress: text('secret_audit.source_address'),
      attributes: own,
    },
  }
}

function textOf(key: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || typeof value === 'bigint') return `${value}`
  if (typeof value === 'number' && Number.isFinite(value)) return `${value}`
  const got = Array.isArray(value)
    ? 'a list'
    : typeof value === 'number'
      ? 'not a finite number'
      : typeof value
  throw wrong(key.slice(PREFIX.length), `must be text, a number or a boolean; it is ${got}`)
}

function isCut(attributes: Readonly<Record<string, unknown>>, said: string | undefined): boolean {
  if (said === undefined) return false
  const texts: Record<string, string> = {}
  for (const key of Object.keys(attributes)) {
    if (!key.startsWith(PREFIX) || key === CHARS) continue
    const value = attributes[key]
    if (value !== undefined && value !== null) texts[key] = textOf(key, value)
  }
  return said !== `${charactersOf(texts)}`
}

/** Whole numbers come as text, or as a double from languages that have nothing else. */
function integer(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined || text === '') return undefined
  const value = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined
  if (value !== undefined && BigInt.asIntN(64, value) === value) return value
  throw wrong(name, 'must be a whole number of 64 bits, in decimal digits')
}

/** Ids are never negative. */
function natural(name: string, text: string | undefined): bigint | undefined {
  const value = integer(name, text)
  if (value === undefined || value >= 0n) return value
  throw wrong(name, 'must not be negative')
}

function microseconds(name: string, text: string | undefined): number | undefined {
  const value = integer(name, text)
  if (value === undefined) return undefined
  if (Number.isSafeInteger(Number(value))) return Number(value)
  throw wrong(name, 'must be microseconds since the Unix epoch')
}

function actorType(text: string | undefined): ActorType | undefined {
  if (text === undefined || text === '') return undefined
  if (text === 'user' || text === 'service' || text === 'system') return text
  throw wrong('actor_type', 'must be user, service or system')
}

function wrong(name: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', `the attribute ${PREFIX}${name} ${message}`, { field: name })
}

interface ParsedAttributes {
  readonly attributes: AuditAttributes | undefined
  readonly markers: Readonly<Record<string, string>>
}

/** Which markers there can be: of the text fields, and of the attributes themselves. */
const MARKERS: ReadonlySet<string> = new Set(
  [...Object.keys(TEXT_LIMITS), 'attributes'].map((field) => `${SANITIZED_PREFIX}${field}`),
)

/** A text that this library would not have written is kept, whole, under the key `unparsed`. */
function parsedAttributes(json: string | undefined): ParsedAttributes {
  if (json === undefined || json === '') return { attributes: undefined, markers: {} }
  return takenApart(json) ?? { attributes: { unparsed: json }, markers: {} }
}

function takenApart(text: string): ParsedAttributes | undefined {
  let json: string | undefined = text
  try {
    // A lie about the type: whatever it is, it comes back unchanged only if it is what the type says.
    const entries = [...parseFlatObject(json)] as [string, AttributeValue][]
    for (const entry of entries) {
      if (!entry[0].startsWith(GATEWAY_PREFIX)) continue
      // Only the gateway says such a thing: what others say is their claim.
      entry[0] = `claimed.${entry[0]}`
      json = undefined
    }
    const [own, marked] = [false, true].map((wanted) =>
      entries.filter(([key]) => key.startsWith(SANITIZED_PREFIX) === wanted),
    ) as [typeof entries, [string, string][]]
    if (!marked.every(([key, value]) => MARKERS.has(key) && /^[0-9a-f]{64}$/.test(value))) return undefined
    const attributes = own.length === 0 ? undefined : Object.fromEntries(own)
    const markers = Object.fromEntries(marked)
    const canonical = encodeAttributes(attributes, markers)
    return canonical === json || isSame(canonical, text, entries.length) ? { attributes, markers } : undefined
  } catch {
    return undefined
  }
}

/** Whether a text of another serialiser says the same: it may have its keys in another order, white space, and escapes. */
function isSame(canonical: string | undefined, json: string, keys: number): boolean {
  if (canonical === undefined || json.length > LONGEST_FOREIGN) return false
  const own = parseFlatObject(canonical)
  // A key that comes twice would be one less; a number that is written otherwise need not be the same number.
  const written = json.match(KEY_OR_VALUE)?.filter((token) => token !== '') ?? []
  if (own.size !== keys || written.length !== keys * 2) return false
  return written.every((token) => !/^-?\d/.test(token) || /^-?\d{1,16}$/.test(token))
}

const LONGEST_FOREIGN = 65_536
/** The keys and values of a flat object. */
const KEY_OR_VALUE = /"(?:[^"\\]|\\.)*"|true|false|null|-?\d[\d.eE+-]*/g
