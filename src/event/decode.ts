import { EVENT_DOMAIN, HEADER_BYTES, INTEGER_BYTES } from './digest.js'
import type { ActorType, AuditEvent } from './fields.js'

/**
 * The inverse of `encodeEvent`, and of nothing else: bytes that are not the one encoding of an event are refused. So what is
 * returned has the digest that is the SHA-256 of the bytes.
 *
 * @throws Error that says what is wrong with the bytes, and quotes nothing of them
 */
export function decodeEvent(bytes: Uint8Array): AuditEvent {
  const fields = new FieldReader(bytes)
  // One literal, in the order of the tags: each field is read where it must be.
  const event: AuditEvent = {
    auditId: required('auditId', fields.integer(1)),
    occurredAt: Number(required('occurredAt', fields.integer(2))),
    credential: required('credential', fields.text(3)),
    operation: required('operation', fields.text(4)),
    outcome: required('outcome', fields.text(5)),
    workerId: fields.text(6),
    executionId: fields.integer(7),
    parentExecutionId: fields.integer(8),
    serverRegion: fields.text(9),
    brokerRegion: fields.text(10),
    kekVersion: fields.text(11),
    notes: fields.text(12),
    actorId: fields.text(13),
    actorType: fields.text(14) as ActorType | null,
    sourceAddress: fields.text(15),
    serviceName: fields.text(16),
    serviceInstanceId: fields.text(17),
    traceId: fields.text(18),
    spanId: fields.text(19),
    attributesJson: fields.text(20),
    originalAuditId: fields.integer(21),
  }
  fields.end()
  if (event.auditId < 0n) throw invalid('auditId')
  if (!Number.isSafeInteger(event.occurredAt)) throw invalid('occurredAt')
  return Object.freeze(event)
}

/** Reads fields in ascending order of their tags. One that is not at its place is absent. */
class FieldReader {
  readonly #bytes: Buffer
  #at = EVENT_DOMAIN.length

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (!this.#bytes.subarray(0, EVENT_DOMAIN.length).equals(EVENT_DOMAIN))
      throw new Error('it is not an event of this version')
  }

  integer(tag: number): bigint | null {
    const end = this.#endOf(tag)
    if (end === undefined) return null
    const start = end - INTEGER_BYTES
    if (start !== this.#at + HEADER_BYTES) throw new Error(`its integer with tag ${tag} is not of 8 bytes`)
    this.#at = end
    return this.#bytes.readBigInt64BE(start)
  }

  text(tag: number): string | null {
    const end = this.#endOf(tag)
    if (end === undefined) return null
    const start = this.#at + HEADER_BYTES
    const text = this.#bytes.toString('utf8', start, end)
    // What stands for bytes that are not UTF-8, unless the text itself has it.
    if (text.includes('\ufffd') && !Buffer.from(text).equals(this.#bytes.subarray(start, end)))
      throw new Error(`its text with tag ${tag} is not UTF-8`)
    this.#at = end
    return text
  }

  end(): void {
    if (this.#at === this.#bytes.length) return
    throw new Error('it has a field that events of this version do not have, or not at this place')
  }

  /** Where the field that is next ends. `undefined`: it has another tag. */
  #endOf(tag: number): number | undefined {
    if (this.#bytes[this.#at] !== tag) return undefined
    const start = this.#at + HEADER_BYTES
    const end = start > this.#bytes.length ? start : start + this.#bytes.readUInt32BE(this.#at + 1)
    if (end > this.#bytes.length) throw new Error(`its field with tag ${tag} is cut off`)
    return end
  }
}

function required<Value>(field: keyof AuditEvent, value: Value | null): Value {
  if (value === null) throw invalid(field)
  return value
}

function invalid(field: keyof AuditEvent): Error {
  return new Error(`its field ${field} is missing or not valid`)
}
