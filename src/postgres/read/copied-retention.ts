import { parseFlatObject } from '../../host/json-text.js'
import type { ChainStart } from '../../verify/chain-start.js'
import type { RetentionRow, StoredLeaf } from '../../verify/source.js'

/**
 * A row of `trail-retention.sql`. Whatever its attributes are: a note that is not one is for the verifier to refuse.
 *
 * @returns undefined for a row that has no note, such as one about an archive
 */
export function readRetentionRow(bytes: Buffer, at: number): RetentionRow | undefined {
  const auditId = bytes.readBigInt64BE(at + 4)
  const length = bytes.readInt32BE(at + 12)
  const note = noteOf(bytes.toString('utf8', at + 16, at + 16 + Math.max(0, length)))
  return note === undefined ? undefined : { auditId, note }
}

function noteOf(attributes: string): string | undefined {
  try {
    const note = parseFlatObject(attributes).get('note')
    return note === undefined ? undefined : Buffer.from(String(note), 'base64').toString()
  } catch {
    return ''
  }
}

/** A row of `trail-chain-starts.sql`. */
export function readChainStart(bytes: Buffer, at: number): ChainStart {
  const integer = (offset: number): number => Number(bytes.readBigInt64BE(at + offset))
  const isNull = bytes.readInt32BE(at + 152) < 0
  return {
    chain: bytes.toString('hex', at + 4, at + 20),
    block: integer(24),
    hash: Buffer.from(bytes.subarray(at + 36, at + 68)),
    keyBlock: integer(72),
    keyHash: Buffer.from(bytes.subarray(at + 84, at + 116)),
    rows: integer(120),
    lost: integer(132),
    time: integer(144),
    lastId: isNull ? undefined : bytes.readBigInt64BE(at + 156),
  }
}

/** A row of `trail-leaves.sql`. */
export function readLeaf(bytes: Buffer, at: number): StoredLeaf {
  return {
    chain: bytes.toString('hex', at + 4, at + 20),
    block: Number(bytes.readBigInt64BE(at + 24)),
    index: bytes.readInt32BE(at + 36),
    digest: Buffer.from(bytes.subarray(at + 44, at + 76)),
    partition: bytes.toString('utf8', at + 80, at + 80 + bytes.readInt32BE(at + 76)),
  }
}
