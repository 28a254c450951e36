import { type AuditEvent, FIELDS } from '../../event/fields.js'
import type { CheckedRow } from '../../verify/source.js'

/** 2000-01-01T00:00:00Z, the zero of Postgres, in µs since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000

/** A row that was read once: checked, and as the event that was hashed. */
export interface ReadRow extends CheckedRow {
  readonly event: AuditEvent
  /** µs since the Unix epoch. */
  readonly recordedAt: number
  readonly recordedXid: bigint
}

/** The event of a row of COPY's binary format: from the very bytes that its digest was made of. */
export function readEvent(bytes: Buffer, from: number): { readonly event: AuditEvent; readonly end: number } {
  let at = from
  const values = FIELDS.map(({ name, kind, required }) => {
    const length = bytes.readInt32BE(at)
    const start = at + 4
    at = start + Math.max(0, length)
    if (length < 0)
      return [name, required === undefined ? null : kind === 'int8' ? 0n : kind === 'time' ? 0 : '']
    if (kind === 'int8') return [name, bytes.readBigInt64BE(start)]
    if (kind === 'time') return [name, timeAt(bytes, start)]
    return [name, bytes.toString('utf8', start, at)]
  })
  return { event: Object.fromEntries(values), end: at }
}

/** @returns µs since the Unix epoch */
export function timeAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigInt64BE(at)) + POSTGRES_EPOCH_US
}
