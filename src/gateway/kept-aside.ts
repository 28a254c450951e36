import { createHash } from '../host/crypto.js'
import { JSON } from '../host/globals.js'
import type { SetAside } from '../contract/sink.js'
import { type AuditFields, type AuditEvent, completeEvent, draftEvent } from '../event/event.js'
import { TEXT_LIMITS } from '../event/fields.js'
import { quarantineRow } from '../event/self-rows.js'
import { sha256 } from '../event/sha256.js'
import { firstIdOf, snowflakeTime, withLowerBits } from '../event/snowflake.js'
import { storableText } from '../event/text.js'
import { knownBy } from '../otel/derived-id.js'
import { type FoundEvent, type Signal, UNUSABLE } from './otlp/found-event.js'

/**
 * Why something cannot be a row.
 *
 * * `incomplete`: it lacks credential, operation or outcome
 * * `invalid`: a value cannot be what its field is
 * * `clock`: its time, or that in its id, is before 2024 or more than 24 h ahead
 * * `refused`: the database has no place for it
 * * `malformed`: it is not a message of the protocol
 */
export type Reason = 'incomplete' | 'invalid' | 'clock' | 'refused' | 'malformed'

/** Bytes that are kept of one. */
const MOST_RAW = 64 * 1024
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** How old a claimed time may be for the place in the quarantine to be by it, in ms. */
const OLDEST_MS = 31 * DAY_MS

/** @param nowMs the wall clock */
export function keptAside(
  found: FoundEvent,
  reason: Reason,
  sender: string,
  serviceName: string | undefined,
  serviceInstanceId: string | undefined,
  nowMs: number,
): SetAside {
  const raw = found.raw()
  const rawSha256 = sha256(raw)
  const { traceId, spanId, ordinal, format, timeNanos } = found
  const known = fingerprintOf(found, rawSha256, serviceName, serviceInstanceId)
  return {
    ...placed(known, Number(timeNanos / 1_000_000n), nowMs),
    sender,
    reason,
    format,
    serviceName: nameOf(serviceName),
    serviceInstanceId: nameOf(serviceInstanceId),
    traceId: traceId || null,
    spanId: spanId || null,
    ordinal,
    receivedAt: Math.floor(nowMs * 1000),
    raw: raw.subarray(0, MOST_RAW),
    rawSha256,
  }
}

/** As long as a row's: what is counted by it must be what is stored. */
function nameOf(text: string | undefined): string | null {
  return text === undefined ? null : storableText(text, TEXT_LIMITS.serviceName).text
}

/** Of one service and reason, in a request: no more than the database keeps of them in an hour. */
const MOST_OF_A_KIND = 100
/** How many of them are kept whole, and how much of the others. */
const WHOLE_OF_A_KIND = 10
const SHORT_BYTES = 4096
/** Of all that is kept of a request. */
const MOST_BYTES = 8 * 1024 * 1024
/** So that the statement that keeps them ends in time. */
const MOST_ITEMS = 1000

/** What of these is sent to be kept: of the others there are only their number and hashes, in {@link asideEvent}. */
export function worthKeeping(items: readonly SetAside[]): readonly SetAside[] {
  const kinds = new Map<string, number>()
  const kept: SetAside[] = []
  let bytes = 0
  for (const item of items) {
    const kind = `${item.reason} ${item.serviceName}`
    const nth = kinds.get(kind) ?? 0
    const raw = nth < WHOLE_OF_A_KIND ? item.raw : item.raw.subarray(0, SHORT_BYTES)
    if (kept.length >= MOST_ITEMS) break
    if (nth >= MOST_OF_A_KIND || bytes + raw.length > MOST_BYTES) continue
    kinds.set(kind, nth + 1)
    bytes += raw.length
    kept.push({ ...item, raw })
  }
  return kept
}

/**
 * What it is known by, the same when a collector has encoded it anew. One that has no time, or values that cannot be compared,
 * is known by its bytes.
 */
function fingerprintOf(found: FoundEvent, rawSha256: Buffer, service = '', instance = ''): Buffer {
  const { traceId, spanId, ordinal, format, timeNanos, attributes } = found
  if (timeNanos === 0n || Object.values(attributes).includes(UNUSABLE)) {
    return hashed(`${format}/${traceId}/${spanId}/${ordinal}`, rawSha256)
  }
  const [kind] = format.split('/', 1)
  return hashed(JSON.stringify([kind, service, instance]), knownBy(found))
}

function hashed(known: string, hash: Buffer): Buffer {
  return createHash('sha256').update(known).update(hash).digest()
}

/** Of a request, or a part of one, that is not a message. @param isJson by its content type */
export function malformedAside(
  bytes: Buffer,
  signal: Signal,
  isJson: boolean,
  sender: string,
  nowMs: number,
): SetAside {
  const rawSha256 = sha256(bytes)
  const format = `${signal}/${isJson ? 'json' : 'protobuf'}`
  return {
    ...placed(hashed(format, rawSha256), Number.NaN, nowMs),
    sender,
    reason: 'malformed',
    format,
    serviceName: null,
    serviceInstanceId: null,
    traceId: null,
    spanId: null,
    ordinal: 0,
    receivedAt: Math.floor(nowMs * 1000),
    raw: bytes.subarray(0, MOST_RAW),
    rawSha256,
  }
}

/** The same at each resend: by the time that it claims where that can be, else within the hour of its arrival. */
function placed(
  fingerprint: Buffer,
  claimedMs: number,
  nowMs: number,
): Pick<SetAside, 'quarantineId' | 'fingerprint'> {
  const isPlausible = claimedMs > nowMs - OLDEST_MS && claimedMs < nowMs + DAY_MS
  const ms = isPlausible
    ? claimedMs
    : Math.floor(nowMs / HOUR_MS) * HOUR_MS + (fingerprint.readUInt32BE(4) % HOUR_MS)
  return { quarantineId: withLowerBits(firstIdOf(ms), fingerprint.readUInt32BE(0)), fingerprint }
}

/**
 * The row of the trail about what a request had that is kept aside: how much, why, and the SHA-256 of all of it in order. The
 * same for the same things, so that a request that is sent again leaves no second one.
 *
 * @param items at least one
 */
export function asideEvent(items: readonly SetAside[]): AuditEvent {
  const [first] = items
  if (first === undefined) throw new TypeError('nothing is kept aside')
  const hash = createHash('sha256')
  const known = createHash('sha256')
  const reasons = new Map<string, number>()
  for (const { rawSha256, fingerprint, reason } of items) {
    hash.update(rawSha256)
    known.update(fingerprint)
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  const fields: AuditFields = quarantineRow({
    sender: first.sender,
    count: items.length,
    reasons: [...reasons]
      .map(([reason, count]) => `${reason}:${count}`)
      .sort()
      .join(','),
    sha256: hash.digest('hex'),
  })
  const ms = snowflakeTime(first.quarantineId)
  return completeEvent(draftEvent(fields), {
    auditId: withLowerBits(firstIdOf(ms), known.digest().readUInt32BE(0)),
    occurredAt: ms * 1000,
  })
}
