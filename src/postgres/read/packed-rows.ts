import type { CheckedRow } from '../../verify/source.js'

/** Of one row: two ids, block, index, number of its chain, what is NULL, and the digest of its columns. */
const ROW_BYTES = 8 + 8 + 8 + 4 + 4 + 4 + 32
const [ID, ORIGINAL, BLOCK, INDEX, CHAIN, FLAGS, DIGEST] = [0, 8, 16, 24, 28, 32, 36] as const

const HAS_ORIGINAL = 1
const HAS_STORED = 2
const STORED_DIFFERS = 4
const HAS_CHAIN = 8
const HAS_BLOCK = 16
const HAS_INDEX = 32
const IS_FOREIGN = 64
const CAN_TELL_FOREIGN = 128

/** Rows as one piece of memory, which changes its thread without being copied. */
export interface PackedRows {
  readonly memory: ArrayBuffer
  readonly chains: readonly string[]
  /** By row: stored digests that are not that of the columns. */
  readonly stored: ReadonlyMap<number, Uint8Array>
}

export function packRows(rows: readonly CheckedRow[]): PackedRows {
  const memory = new ArrayBuffer(rows.length * ROW_BYTES)
  const bytes = Buffer.from(memory)
  const chains = new Map<string, number>()
  const stored = new Map<number, Uint8Array>()
  for (const [i, row] of rows.entries()) {
    const at = i * ROW_BYTES
    bytes.writeBigInt64LE(row.auditId, at + ID)
    if (row.originalAuditId !== null) bytes.writeBigInt64LE(row.originalAuditId, at + ORIGINAL)
    // Any 64 bits that a column may have, as the number that it was read as.
    if (row.block !== null) bytes.writeDoubleLE(row.block, at + BLOCK)
    if (row.index !== null) bytes.writeInt32LE(row.index, at + INDEX)
    if (row.chain !== null) bytes.writeInt32LE(numberOf(row.chain, chains), at + CHAIN)
    bytes.writeInt32LE(flagsOf(row), at + FLAGS)
    bytes.set(row.computed, at + DIGEST)
    if (row.stored !== null && row.stored !== row.computed) stored.set(i, Uint8Array.from(row.stored))
  }
  return { memory, chains: [...chains.keys()], stored }
}

function numberOf(chain: string, chains: Map<string, number>): number {
  const known = chains.get(chain)
  if (known !== undefined) return known
  chains.set(chain, chains.size)
  return chains.size - 1
}

function flagsOf({ originalAuditId, stored, computed, chain, block, index, isForeign }: CheckedRow): number {
  return (
    (originalAuditId === null ? 0 : HAS_ORIGINAL) |
    (stored === null ? 0 : HAS_STORED) |
    (stored === computed ? 0 : STORED_DIFFERS) |
    (chain === null ? 0 : HAS_CHAIN) |
    (block === null ? 0 : HAS_BLOCK) |
    (index === null ? 0 : HAS_INDEX) |
    (isForeign === true ? IS_FOREIGN : 0) |
    (isForeign === undefined ? 0 : CAN_TELL_FOREIGN)
  )
}

export function unpackRows({ memory, chains, stored }: PackedRows): readonly CheckedRow[] {
  const bytes = Buffer.from(memory)
  return Array.from({ length: memory.byteLength / ROW_BYTES }, (_, i): CheckedRow => {
    const at = i * ROW_BYTES
    const flags = bytes.readInt32LE(at + FLAGS)
    const computed = new Uint8Array(memory, at + DIGEST, 32)
    return {
      auditId: bytes.readBigInt64LE(at + ID),
      originalAuditId: (flags & HAS_ORIGINAL) === 0 ? null : bytes.readBigInt64LE(at + ORIGINAL),
      computed,
      stored:
        (flags & HAS_STORED) === 0
          ? null
          : (flags & STORED_DIFFERS) === 0
            ? computed
            : (stored.get(i) ?? null),
      chain: (flags & HAS_CHAIN) === 0 ? null : (chains[bytes.readInt32LE(at + CHAIN)] ?? null),
      block: (flags & HAS_BLOCK) === 0 ? null : bytes.readDoubleLE(at + BLOCK),
      index: (flags & HAS_INDEX) === 0 ? null : bytes.readInt32LE(at + INDEX),
      isForeign: (flags & CAN_TELL_FOREIGN) === 0 ? undefined : (flags & IS_FOREIGN) !== 0,
    }
  })
}
