import type { CheckedRow } from '../../verify/source.js'
import { EVENT_DOMAIN } from '../../event/digest.js'
import { FIELDS } from '../../event/fields.js'
import { type ReadRow, readEvent, timeAt } from './copied-event.js'
import { sha256 } from '../../event/sha256.js'

/** Columns of `trail-rows.sql` that are hashed: the tag of each is its place, from 1. */
const HASHED = FIELDS.length
const OCCURRED_AT = 1
const ORIGINAL_AUDIT_ID = 20
/** 2000-01-01T00:00:00Z, the zero of Postgres, in µs since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000
const EPOCH_HIGH = Math.floor(POSTGRES_EPOCH_US / 2 ** 32)
const EPOCH_LOW = POSTGRES_EPOCH_US % 2 ** 32

// Reused: its bytes are hashed before the next row is read.
let scratch: Buffer = Buffer.alloc(4096)
EVENT_DOMAIN.copy(scratch)

/**
 * A row as COPY's binary format has it, and the digest of the event that it makes.
 *
 * That format has of each field what the digest wants, `length:u32be ‖ bytes`, with integers big-endian and text in
 * UTF-8: only the tag goes in front of it, and times count from another zero. No event is made for that.
 */
export function readCheckedRow(bytes: Buffer, from: number): CheckedRow {
  let at = from
  let end = EVENT_DOMAIN.length
  const auditId = bytes.readBigInt64BE(at + 4)
  let originalAuditId: bigint | null = null
  for (let column = 0; column < HASHED; column++) {
    const length = bytes.readInt32BE(at)
    const next = at + 4 + Math.max(0, length)
    if (length >= 0) {
      if (end + 1 + next - at > scratch.length) scratch = larger(end, next - at)
      scratch[end] = column + 1
      copyField(bytes, at, next, end + 1)
      if (column === OCCURRED_AT) fromUnixEpoch(end + 5)
      if (column === ORIGINAL_AUDIT_ID) originalAuditId = bytes.readBigInt64BE(at + 4)
      end += 1 + next - at
    }
    at = next
  }
  const computed = sha256(scratch.subarray(0, end))
  const digest = fieldAt(bytes, at)
  const chain = fieldAt(bytes, digest.end)
  const block = fieldAt(bytes, chain.end)
  const index = fieldAt(bytes, block.end)
  const xid = fieldAt(bytes, index.end)
  const xmin = fieldAt(bytes, xid.end)
  return {
    auditId,
    originalAuditId,
    computed,
    stored: storedDigest(bytes, digest, computed),
    chain: chain.isNull ? null : chainAt(bytes, chain),
    block: block.isNull ? null : Number(bytes.readBigInt64BE(block.start)),
    index: index.isNull ? null : bytes.readInt32BE(index.start),
    isForeign: isForeign(bytes, xid, xmin),
  }
}

/** A row with the event that was hashed, and what no digest covers. */
export function readWholeRow(bytes: Buffer, from: number): ReadRow {
  const { event, end } = readEvent(bytes, from)
  // Digest, chain, block and index.
  let at = end
  for (let skipped = 0; skipped < 4; skipped++) at = fieldAt(bytes, at).end
  const xid = fieldAt(bytes, at)
  const recordedAt = fieldAt(bytes, fieldAt(bytes, xid.end).end)
  return {
    ...readCheckedRow(bytes, from),
    event,
    recordedXid: xid.isNull ? 0n : bytes.readBigInt64BE(xid.start),
    recordedAt: recordedAt.isNull ? 0 : timeAt(bytes, recordedAt.start),
  }
}

interface Field {
  readonly isNull: boolean
  readonly start: number
  readonly end: number
}

/** Most fields are short, and a call of Buffer's own takes longer than this. */
const SHORT = 64

function copyField(bytes: Buffer, from: number, to: number, target: number): void {
  if (to - from > SHORT) bytes.copy(scratch, target, from, to)
  else for (let i = from, j = target; i < to; i++, j++) scratch[j] = bytes[i] as number
}

/** Of the transaction, `xmin` has the lower 32 bits. A view has none. */
function isForeign(bytes: Buffer, xid: Field, xmin: Field): boolean | undefined {
  if (xmin.isNull || xid.isNull) return undefined
  return bytes.readUInt32BE(xid.start + 4) !== bytes.readUInt32BE(xmin.start)
}

// The last chain that was read: rows of one come in a row, or take turns with a few others.
let chainBytes = Buffer.alloc(16)
let chainHex = chainBytes.toString('hex')

function chainAt(bytes: Buffer, { start, end }: Field): string {
  if (chainBytes.compare(bytes, start, end) !== 0) {
    chainBytes = Buffer.from(bytes.subarray(start, end))
    chainHex = chainBytes.toString('hex')
  }
  return chainHex
}

function fieldAt(bytes: Buffer, at: number): Field {
  const length = bytes.readInt32BE(at)
  return { isNull: length < 0, start: at + 4, end: at + 4 + Math.max(0, length) }
}

/** Mostly they are the same, and then no second one is kept. */
function storedDigest(bytes: Buffer, { isNull, start, end }: Field, computed: Buffer): Buffer | null {
  if (isNull) return null
  return computed.compare(bytes, start, end) === 0 ? computed : Buffer.from(bytes.subarray(start, end))
}

function fromUnixEpoch(at: number): void {
  // In two halves, without BigInt. Of "infinity" it makes some other time, as good as any: no digest is of that.
  const low = scratch.readUInt32BE(at + 4) + EPOCH_LOW
  scratch.writeUInt32BE(low % 2 ** 32, at + 4)
  scratch.writeInt32BE((scratch.readInt32BE(at) + EPOCH_HIGH + (low >= 2 ** 32 ? 1 : 0)) | 0, at)
}

function larger(used: number, more: number): Buffer {
  const grown = Buffer.alloc((used + more) * 2)
  scratch.copy(grown, 0, 0, used)
  return grown
}
