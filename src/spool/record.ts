import type { ActorType, AuditEvent } from '../event/event.js'
import { sha256 } from '../event/sha256.js'
import { type FlatValue, jsonString, parseFlatObject } from '../host/json-text.js'

/** First bytes of every entry: what it is, and in which version. */
const MAGIC = Buffer.from('otel-audit/spool/v1\n')
const LENGTH_BYTES = 4
const SHA256_BYTES = 32
const HEADER_BYTES = MAGIC.length + LENGTH_BYTES + SHA256_BYTES

/** An event as JSON, 64-bit integers as strings. Each field by name, and without the global `JSON`: see `jsonString`. */
export function eventToJson(event: AuditEvent): string {
  return (
    `{"auditId":"${event.auditId}","occurredAt":${event.occurredAt}` +
    `,"credential":${jsonString(event.credential)}` +
    `,"operation":${jsonString(event.operation)},"outcome":${jsonString(event.outcome)}` +
    `,"workerId":${optional(event.workerId)}` +
    `,"executionId":${decimal(event.executionId)},"parentExecutionId":${decimal(event.parentExecutionId)}` +
    `,"serverRegion":${optional(event.serverRegion)},"brokerRegion":${optional(event.brokerRegion)}` +
    `,"kekVersion":${optional(event.kekVersion)},"notes":${optional(event.notes)}` +
    `,"actorId":${optional(event.actorId)},"actorType":${optional(event.actorType)}` +
    `,"sourceAddress":${optional(event.sourceAddress)},"attributesJson":${optional(event.attributesJson)}` +
    `,"serviceName":${optional(event.serviceName)},"serviceInstanceId":${optional(event.serviceInstanceId)}` +
    `,"traceId":${optional(event.traceId)},"spanId":${optional(event.spanId)}` +
    `,"originalAuditId":${decimal(event.originalAuditId)}}`
  )
}

function optional(value: string | null): string {
  return value === null ? 'null' : jsonString(value)
}

function decimal(value: bigint | null): string {
  return value === null ? 'null' : `"${value}"`
}

/**
 * The inverse of {@link eventToJson}. A nullable field that is missing is `null`.
 *
 * One literal, and no loop over names: half of the time, and the object has the shape that all other events have.
 *
 * @throws Error that says what is wrong with the text, and quotes nothing of it
 */
export function eventFromJson(json: string): AuditEvent {
  const fields = parseFlatObject(json)
  const event: AuditEvent = {
    auditId: idOf(fields, 'auditId'),
    occurredAt: timeOf(fields, 'occurredAt'),
    credential: textOf(fields, 'credential'),
    operation: textOf(fields, 'operation'),
    outcome: textOf(fields, 'outcome'),
    workerId: optionalText(fields, 'workerId'),
    executionId: optionalInteger(fields, 'executionId'),
    parentExecutionId: optionalInteger(fields, 'parentExecutionId'),
    serverRegion: optionalText(fields, 'serverRegion'),
    brokerRegion: optionalText(fields, 'brokerRegion'),
    kekVersion: optionalText(fields, 'kekVersion'),
    notes: optionalText(fields, 'notes'),
    actorId: optionalText(fields, 'actorId'),
    actorType: optionalText(fields, 'actorType') as ActorType | null,
    sourceAddress: optionalText(fields, 'sourceAddress'),
    serviceName: optionalText(fields, 'serviceName'),
    serviceInstanceId: optionalText(fields, 'serviceInstanceId'),
    traceId: optionalText(fields, 'traceId'),
    spanId: optionalText(fields, 'spanId'),
    attributesJson: optionalText(fields, 'attributesJson'),
    originalAuditId: optionalInteger(fields, 'originalAuditId'),
  }
  for (const field of fields.keys()) {
    if (!Object.hasOwn(event, field))
      throw new Error('it has a field that events of this version do not have')
  }
  return Object.freeze(event)
}

/**
 * Entries as they are on disk: `"otel-audit/spool/v1\n" ‖ length of the JSON (4 bytes, big endian) ‖ SHA-256 of the
 * JSON ‖ JSON`. One can be found, and checked, without the engine that keeps it.
 */
export function sealRecords(jsons: readonly Uint8Array[]): Uint8Array[] {
  const memory = Buffer.allocUnsafeSlow(jsons.reduce((sum, json) => sum + HEADER_BYTES + json.byteLength, 0))
  let end = 0
  return jsons.map((json) => {
    const record = memory.subarray(end, end + HEADER_BYTES + json.byteLength)
    end += record.byteLength
    MAGIC.copy(record)
    record.writeUInt32BE(json.byteLength, MAGIC.length)
    sha256(json).copy(record, MAGIC.length + LENGTH_BYTES)
    record.set(json, HEADER_BYTES)
    return record
  })
}

/**
 * @returns the JSON in an entry: a part of the same memory
 * @throws Error that says what is wrong with the bytes, and quotes nothing of them
 */
export function openRecord(bytes: Uint8Array): Uint8Array {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (record.length < HEADER_BYTES || !record.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error('it does not start with the header of this version')
  }
  const json = record.subarray(HEADER_BYTES)
  if (record.readUInt32BE(MAGIC.length) !== json.length)
    throw new Error('its length is not the one in its header')
  if (!record.subarray(MAGIC.length + LENGTH_BYTES, HEADER_BYTES).equals(sha256(json))) {
    throw new Error('its checksum does not match')
  }
  return json
}

/** Where, from `start` on, the next entry may begin in `bytes`. -1: nowhere. */
export function findRecord(bytes: Buffer, start: number): number {
  return bytes.indexOf(MAGIC, start)
}

/** The length that an entry has in its header. `undefined`: `bytes` ends within the header. */
export function recordLength(bytes: Buffer): number | undefined {
  return bytes.length < HEADER_BYTES ? undefined : HEADER_BYTES + bytes.readUInt32BE(MAGIC.length)
}

/** Longest entry that LMDB keeps inside a page of 4 KiB, beside others; a longer one takes pages of its own. */
const LONGEST_INSIDE_PAGE = 2000
const PAGE_BYTES = 4096
/** Key, node header, page header, and its share of the pages above. */
const NODE_BYTES = 32

/** What an event takes in the spool. @param jsonBytes length of its JSON */
export function spooledBytes(jsonBytes: number): number {
  const record = HEADER_BYTES + jsonBytes + NODE_BYTES
  return record <= LONGEST_INSIDE_PAGE ? record : Math.ceil(record / PAGE_BYTES) * PAGE_BYTES
}

/** The same of an entry. @param recordBytes its length on disk */
export function spooledBytesOfRecord(recordBytes: number): number {
  return spooledBytes(recordBytes - HEADER_BYTES)
}

type ParsedObject = ReadonlyMap<string, FlatValue>

function textOf(fields: ParsedObject, field: keyof AuditEvent): string {
  const value = fields.get(field)
  if (typeof value === 'string') return value
  throw unexpected(field)
}

function optionalText(fields: ParsedObject, field: keyof AuditEvent): string | null {
  return (fields.get(field) ?? null) === null ? null : textOf(fields, field)
}

function timeOf(fields: ParsedObject, field: keyof AuditEvent): number {
  const value = fields.get(field)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw unexpected(field)
}

function integerOf(fields: ParsedObject, field: keyof AuditEvent): bigint {
  const value = fields.get(field)
  const integer = typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? BigInt(value) : undefined
  if (integer !== undefined && BigInt.asIntN(64, integer) === integer) return integer
  throw unexpected(field)
}

function optionalInteger(fields: ParsedObject, field: keyof AuditEvent): bigint | null {
  return (fields.get(field) ?? null) === null ? null : integerOf(fields, field)
}

function idOf(fields: ParsedObject, field: keyof AuditEvent): bigint {
  const id = integerOf(fields, field)
  if (id >= 0n) return id
  throw unexpected(field)
}

function unexpected(field: keyof AuditEvent): Error {
  return new Error(`its field ${field} is missing or not valid`)
}
