import { sha256 } from '../event/sha256.js'
import { firstIdOf, withLowerBits } from '../event/snowflake.js'

/** What an event that came without an id is known by. */
export interface WithoutId {
  /** 32 hex digits, or nothing. */
  readonly traceId: string
  /** 16 hex digits, or nothing. */
  readonly spanId: string
  /** Of the span event, ns since the Unix epoch. */
  readonly timeNanos: bigint
  /** From 0: which of the `secret.access` events of its span it is. Two on one span may have one time and one content. */
  readonly ordinal: number
  readonly attributes: Readonly<Record<string, unknown>>
}

/**
 * The id of an event that came without one: the millisecond of its time, and bits of a hash of what it is known by. So it
 * has the same id whichever way it comes, and however often it is sent. The resource is not part of it: a collector may
 * add to that.
 *
 * @param occurredAt µs since the Unix epoch
 */
export function derivedId(event: WithoutId, occurredAt: number): bigint {
  return withLowerBits(firstIdOf(Math.floor(occurredAt / 1000)), knownBy(event).readUInt32BE(0))
}

/** SHA-256 of what an event is known by, the same in each encoding. */
export function knownBy(event: WithoutId): Buffer {
  const { traceId, spanId, timeNanos, ordinal, attributes } = event
  let known = `${traceId}/${spanId}/${timeNanos}/${ordinal}`
  for (const key of Object.keys(attributes).sort()) {
    const text = `${typeLetter(attributes[key])}${String(attributes[key])}`
    // Lengths, so that nothing can stand for something else.
    known += `\n${Buffer.byteLength(key)}:${key}=${Buffer.byteLength(text)}:${text}`
  }
  return sha256(known)
}

/** An SDK tells a whole number from a fraction in its own way; as text they are the same. */
function typeLetter(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 's'
    case 'boolean':
      return 'b'
    case 'number':
    case 'bigint':
      return 'n'
    default:
      return 'x'
  }
}
