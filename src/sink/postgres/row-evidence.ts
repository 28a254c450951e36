import { hash } from 'node:crypto'
import type { RowEvidence } from '../../chain/verify/source.js'
import { EVENT_DOMAIN } from '../../event/digest.js'

/** Columns of `trail-rows.sql` that are hashed: the tag of each is its place, from 1. */
const HASHED = 21
const OCCURRED_AT = 1
/** 2000-01-01T00:00:00Z, the zero of Postgres, in µs since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n

// Reused: its bytes are hashed before the next row is read.
let scratch: Buffer = Buffer.alloc(4096)
EVENT_DOMAIN.copy(scratch)

/**
 * A row as COPY's binary format has it, and the digest of the event that it makes.
 *
 * That format has of each field what the digest wants, `length:u32be ‖ bytes`, with integers big-endian and text in
 * UTF-8: only the tag goes in front of it, and times count from another zero. No event is made for that.
 */
export function readRowEvidence(bytes: Buffer, from: number): RowEvidence {
  let at = from
  let end = EVENT_DOMAIN.length
  const auditId = bytes.readBigInt64BE(at + 4)
  for (let column = 0; column < HASHED; column++) {
    const length = bytes.readInt32BE(at)
    const next = at + 4 + Math.max(0, length)
    if (length >= 0) {
      if (end + 1 + next - at > scratch.length) scratch = larger(end, next - at)
      scratch[end] = column + 1
      bytes.copy(scratch, end + 1, at, next)
      if (column === OCCURRED_AT) fromUnixEpoch(end + 5)
      end += 1 + next - at
    }
    at = next
  }
  const computed = hash('sha256', scratch.subarray(0, end), 'buffer')
  const digest = fieldAt(bytes, at)
  const chain = fieldAt(bytes, digest.end)
  const block = fieldAt(bytes, chain.end)
  const index = fieldAt(bytes, block.end)
  return {
    auditId,
    computed,
    stored: storedDigest(bytes, digest, computed),
    chain: chain.isNull ? null : bytes.toString('hex', chain.start, chain.end),
    block: block.isNull ? null : Number(bytes.readBigInt64BE(block.start)),
    index: index.isNull ? null : bytes.readInt32BE(index.start),
  }
}

interface Field {
  readonly isNull: boolean
  readonly start: number
  readonly end: number
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
  // Of "infinity" it makes some other time, as good as any: no digest is of that.
  scratch.writeBigInt64BE(BigInt.asIntN(64, scratch.readBigInt64BE(at) + POSTGRES_EPOCH_US), at)
}

function larger(used: number, more: number): Buffer {
  const grown = Buffer.alloc((used + more) * 2)
  scratch.copy(grown, 0, 0, used)
  return grown
}
