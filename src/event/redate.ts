import { eventDigest } from './digest.js'
import type { AuditEvent } from './event.js'
import { sha256 } from './sha256.js'
import {
  firstIdOf,
  SNOWFLAKE_EPOCH_MS,
  SNOWFLAKE_LAST_MS,
  snowflakeTime,
  withLowerBits,
} from './snowflake.js'

const HOUR_MS = 3_600_000

/**
 * The same event under an id of another time, because the store has no place for its own: a clock was wrong. Somewhere in
 * the hour of `unixMs`, by SHA-256 of the event's digest; so a replay within the hour finds its first copy. What the event
 * says about its time stays.
 *
 * @param unixMs the store's clock
 */
export function redateEvent(event: AuditEvent, unixMs: number): AuditEvent {
  const hash = sha256(eventDigest(event))
  const time = hourOf(unixMs) + (hash.readUInt32BE(4) % HOUR_MS)
  return Object.freeze({
    ...event,
    auditId: withLowerBits(firstIdOf(time), hash.readUInt32BE(0)),
    originalAuditId: event.originalAuditId ?? event.auditId,
  })
}

/**
 * The milliseconds (Unix epoch) within an hour of the event's own time at which {@link redateEvent} may have put it
 * before. Wherever else it did, the id is more than an hour from `occurredAt`, and the store has an index of such rows.
 */
export function redatedNear(event: AuditEvent): readonly number[] {
  const { auditId, originalAuditId } = event
  const occurredMs = event.occurredAt / 1000
  // An id of the event's own time can be stored while that hour lasts.
  if (originalAuditId === null && Math.abs(snowflakeTime(auditId) - occurredMs) < HOUR_MS) return []
  const { auditId: redated } = originalAuditId === null ? redateEvent(event, occurredMs) : event
  const offset = snowflakeTime(redated) - hourOf(snowflakeTime(redated))
  const near = [-HOUR_MS, 0, HOUR_MS].map((away) => hourOf(occurredMs + away) + offset)
  return near.filter((ms) => ms >= SNOWFLAKE_EPOCH_MS && ms <= SNOWFLAKE_LAST_MS)
}

function hourOf(unixMs: number): number {
  return Math.floor(unixMs / HOUR_MS) * HOUR_MS
}
