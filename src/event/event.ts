import { AuditError } from '../errors.js'
import { isShared, unshared } from '../host/own.js'
import { type AuditAttributes, encodeAttributes, SANITIZED_PREFIX } from './attributes.js'
import { eventDigest } from './digest.js'
import { type ActorType, type AuditEvent, CALLER_FIELDS, TEXT_LIMITS, type TextField } from './fields.js'
import { sha256 } from './sha256.js'
import { nearest } from './nearest.js'
import { withLowerBits } from './snowflake.js'
import { storableText } from './text.js'
import { microseconds } from './time.js'
import {
  checkNotOwn,
  isVocabularyName,
  notAName,
  type Operation,
  type Outcome,
  typeName,
} from './vocabulary.js'

export type { ActorType, AuditEvent } from './fields.js'

const ACTOR_TYPES: readonly unknown[] = ['user', 'service', 'system']

/** What a caller says about one attempt to resolve, release or use a credential. Never the secret itself. */
export interface AuditFields {
  /** Identifier or alias that was asked for, 1 to 512 characters. */
  readonly credential: string
  readonly operation: Operation
  readonly outcome: Outcome
  /** When it happened: a `Date`, or integer µs since the Unix epoch. Default: now. At most 24 h ahead. */
  readonly occurredAt?: Date | number | undefined
  /** Worker that asked, up to 256 characters. */
  readonly workerId?: string | undefined
  readonly executionId?: bigint | number | undefined
  readonly parentExecutionId?: bigint | number | undefined
  /** Region that served, up to 128 characters. */
  readonly serverRegion?: string | undefined
  /** Region the broker served from, up to 128 characters. */
  readonly brokerRegion?: string | undefined
  /** Version of the key-encryption key at access time, up to 128 characters. */
  readonly kekVersion?: string | undefined
  /** Short note for the operator, up to 1,024 characters. Never the secret, nor what it could be derived from. */
  readonly notes?: string | undefined
  /** Who: a user or a workload identity, up to 256 characters. */
  readonly actorId?: string | undefined
  readonly actorType?: ActorType | undefined
  /** Where from, up to 128 characters. */
  readonly sourceAddress?: string | undefined
  /** Anything else: up to 32 keys, up to 4 KiB as JSON. */
  readonly attributes?: AuditAttributes | undefined
}

/** What the pipeline, not the caller, sets of an event. */
export interface EventIdentity {
  readonly auditId: bigint
  /** µs since the Unix epoch. */
  readonly occurredAt: number
  readonly serviceName?: string | undefined
  readonly serviceInstanceId?: string | undefined
  /** 32 lower-case hex digits. */
  readonly traceId?: string | undefined
  /** 16 lower-case hex digits. */
  readonly spanId?: string | undefined
}

/** An event but for its identity: checked, and made storable. */
export type EventDraft = Omit<AuditEvent, keyof EventIdentity | 'originalAuditId'>

const NOTHING_SAID: Partial<AuditFields> = {}

/**
 * What a caller says, without what somebody put on `Object.prototype` under the name of a field. Each by name: this is
 * looked at for every record.
 */
export function ownFields<Given extends Partial<AuditFields>>(given: Given): Given {
  const said = NOTHING_SAID
  const isClean =
    said.credential === undefined &&
    said.operation === undefined &&
    said.outcome === undefined &&
    said.occurredAt === undefined &&
    said.workerId === undefined &&
    said.executionId === undefined &&
    said.parentExecutionId === undefined &&
    said.serverRegion === undefined &&
    said.brokerRegion === undefined &&
    said.kekVersion === undefined &&
    said.notes === undefined &&
    said.actorId === undefined &&
    said.actorType === undefined &&
    said.sourceAddress === undefined &&
    said.attributes === undefined
  return isClean || Array.isArray(given) ? given : unshared(given)
}

const NO_IDENTITY: Partial<EventIdentity> = {}

function ownIdentity(given: EventIdentity): EventIdentity {
  const said = NO_IDENTITY
  const isClean =
    said.serviceName === undefined &&
    said.serviceInstanceId === undefined &&
    said.traceId === undefined &&
    said.spanId === undefined
  return isClean ? given : unshared(given)
}

/**
 * Checks what a caller says, and makes its text storable. The first half of {@link buildEvent}.
 *
 * @param known `sanitized.*` markers that the text already has, when it is read back
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field
 */
export function draftEvent(given: AuditFields, known: Readonly<Record<string, string>> = {}): EventDraft {
  const fields = ownFields(given)
  checkKeys(fields)
  // Without a prototype: an assignment must not reach a setter of somebody else's.
  const markers = Object.assign(Object.create(null) as Record<string, string>, known)
  const text = (field: TextField, value: unknown): string | null => {
    if (value === undefined || value === null) return null
    if (typeof value !== 'string') throw invalid(field, `must be a string, got ${typeName(value)}`)
    const storable = storableText(value, TEXT_LIMITS[field])
    if (storable.originalSha256 !== undefined)
      markers[`${SANITIZED_PREFIX}${field}`] = storable.originalSha256
    return storable.text
  }
  const credential = text('credential', fields.credential)
  if (credential === null || credential === '') throw invalid('credential', 'must not be empty')
  return {
    credential,
    operation: vocabulary('operation', fields.operation),
    outcome: vocabulary('outcome', fields.outcome),
    workerId: text('workerId', fields.workerId),
    executionId: int64('executionId', fields.executionId),
    parentExecutionId: int64('parentExecutionId', fields.parentExecutionId),
    serverRegion: text('serverRegion', fields.serverRegion),
    brokerRegion: text('brokerRegion', fields.brokerRegion),
    kekVersion: text('kekVersion', fields.kekVersion),
    notes: text('notes', fields.notes),
    actorId: text('actorId', fields.actorId),
    actorType: actorType(fields.actorType),
    sourceAddress: text('sourceAddress', fields.sourceAddress),
    // Last: by now all markers are known.
    attributesJson: encodeAttributes(fields.attributes, markers) ?? null,
  }
}

/**
 * {@link draftEvent} for what an application records: only the pipeline itself may write rows about itself.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field
 */
export function draftAccess(fields: AuditFields): EventDraft {
  const draft = draftEvent(fields)
  checkNotOwn(draft.operation)
  return draft
}

/**
 * Gives a draft its identity, and freezes it. The second half of {@link buildEvent}.
 *
 * Each field by name: spreading the draft took twice as long.
 */
export function completeEvent(draft: EventDraft, given: EventIdentity): AuditEvent {
  const identity = ownIdentity(given)
  return Object.freeze({
    auditId: identity.auditId,
    occurredAt: identity.occurredAt,
    credential: draft.credential,
    operation: draft.operation,
    outcome: draft.outcome,
    workerId: draft.workerId,
    executionId: draft.executionId,
    parentExecutionId: draft.parentExecutionId,
    serverRegion: draft.serverRegion,
    brokerRegion: draft.brokerRegion,
    kekVersion: draft.kekVersion,
    notes: draft.notes,
    actorId: draft.actorId,
    actorType: draft.actorType,
    sourceAddress: draft.sourceAddress,
    attributesJson: draft.attributesJson,
    serviceName: identityText('serviceName', identity.serviceName),
    serviceInstanceId: identityText('serviceInstanceId', identity.serviceInstanceId),
    traceId: identity.traceId ?? null,
    spanId: identity.spanId ?? null,
    originalAuditId: null,
  })
}

/**
 * Builds, checks and freezes an event. Pure: no clock, no random, no context. Its time is that of the identity; one
 * among the fields must say the same.
 *
 * Programmer errors throw. Text of the outside world never does: what cannot be stored as it is, is escaped and cut
 * to its limit, with the SHA-256 of the original under the attribute `sanitized.<field>`.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field: an unknown key, a wrong type, a number that is not an
 *   integer, an unknown actor type, an empty credential.
 */
export function buildEvent(fields: AuditFields, identity: EventIdentity): AuditEvent {
  const draft = draftEvent(fields)
  checkIdentity(identity)
  const { occurredAt } = ownFields(fields)
  if (occurredAt !== undefined && microseconds(occurredAt) !== identity.occurredAt) {
    throw invalid('occurredAt', 'must be that of the identity')
  }
  return completeEvent(draft, identity)
}

/**
 * The same event under another id, because a different event holds its id: the millisecond stays, the lower 22 bits
 * come from SHA-256 of the event's digest. Deterministic, so a replay of the event finds its first copy.
 *
 * @param by the event without what differs at each replay
 */
export function rekeyEvent(event: AuditEvent, by = event): AuditEvent {
  const { auditId, originalAuditId } = event
  const known = by === event ? event : { ...by, auditId, originalAuditId }
  const lower = sha256(eventDigest(known)).readUInt32BE(0)
  return Object.freeze({
    ...event,
    auditId: withLowerBits(event.auditId, lower),
    originalAuditId: event.originalAuditId ?? event.auditId,
  })
}

/** A key, not a value that looks like one: inside a JSON string the quotation mark is escaped. */
const SANITIZED_KEY = /[{,]"sanitized\./

/** Whether some text of the event had to be changed to be stored. */
export function isSanitized(event: AuditEvent): boolean {
  return event.attributesJson !== null && SANITIZED_KEY.test(event.attributesJson)
}

/** The name of a service, or of an instance of it, as it is stored. NULL when it is not known. */
export function identityText(
  field: 'serviceName' | 'serviceInstanceId',
  value: string | undefined,
): string | null {
  return value === undefined ? null : storableText(value, TEXT_LIMITS[field]).text
}

/** The pipeline's own identities need no check: this is for those who call {@link buildEvent}. */
function checkIdentity(identity: EventIdentity): void {
  if (typeof identity !== 'object' || identity === null) throw invalid('identity', 'must be an object')
  const { auditId, occurredAt, serviceName, serviceInstanceId, traceId, spanId } = ownIdentity(identity)
  if (typeof auditId !== 'bigint' || auditId < 0n || BigInt.asIntN(64, auditId) !== auditId) {
    throw invalid('auditId', 'must be a bigint of 63 bits')
  }
  if (!Number.isSafeInteger(occurredAt)) {
    throw invalid('occurredAt', 'must be an integer number of microseconds since the Unix epoch')
  }
  for (const [field, value] of Object.entries({ serviceName, serviceInstanceId })) {
    if (value !== undefined && typeof value !== 'string') {
      throw invalid(field, `must be a string, got ${typeName(value)}`)
    }
  }
  if (traceId !== undefined && !/^[0-9a-f]{32}$/.test(traceId)) {
    throw invalid('traceId', 'must be 32 lower-case hex digits')
  }
  if (spanId !== undefined && !/^[0-9a-f]{16}$/.test(spanId)) {
    throw invalid('spanId', 'must be 16 lower-case hex digits')
  }
}

function checkKeys(fields: AuditFields): void {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw invalid('fields', `must be an object, got ${typeName(fields)}`)
  }
  const [symbol] = Object.getOwnPropertySymbols(fields)
  if (symbol !== undefined) throw invalid(String(symbol), 'is not a field of an audit event')
  for (const key in fields) {
    if (CALLER_FIELDS.has(key) || isShared(fields, key)) continue
    const hint = nearest(key, CALLER_FIELDS)
    throw invalid(key, `is not a field of an audit event${hint ? `; did you mean "${hint}"?` : ''}`)
  }
}

function vocabulary(field: 'operation' | 'outcome', value: unknown): string {
  if (isVocabularyName(value)) return value
  throw notAName(field, value)
}

function actorType(value: unknown): ActorType | null {
  if (value === undefined || value === null) return null
  if (ACTOR_TYPES.includes(value)) return value as ActorType
  throw invalid('actorType', `must be one of ${ACTOR_TYPES.join(', ')}`)
}

function int64(field: string, value: unknown): bigint | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw invalid(field, 'must be a bigint or a safe integer')
    return BigInt(value)
  }
  if (typeof value !== 'bigint') {
    const hint = typeof value === 'string' ? '; convert it with BigInt(...) after checking it' : ''
    throw invalid(field, `must be a bigint or a safe integer, got ${typeName(value)}${hint}`)
  }
  if (BigInt.asIntN(64, value) !== value) throw invalid(field, 'must fit into 64 bits')
  return value
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_EVENT', `${field} ${message}`, { field })
}
