import type { BlockColumns } from '../../chain/block-columns.js'
import { sameBytes } from '../../chain/hash.js'
import { makeRowProof, type RowProof } from '../../verify/row-proof.js'
import { AuditError } from '../../errors.js'
import type { PlacedEvent, Snapshot } from './snapshot.js'

/** A row with all that proves it, or why there is no such thing. */
export type Provable = RowProof | 'no row' | 'no block'

/** Blocks that are held: rows in the order of their ids are of few at a time. */
const MOST_BLOCKS = 64

/**
 * Gathers what proves a row. It is not checked here: that is for whoever gets it.
 *
 * @throws AuditError `AUDIT_EVIDENCE_REFUTED` when the row says that it is in a block, and what is needed to prove that is
 *   not there or contradicts it
 */
export function proofOfRow(reader: Snapshot, auditId: bigint): Promise<Provable> {
  return new RowProofs(reader).of(auditId)
}

/** The same of many rows, one after the other: a block is read once for rows that are near each other. */
export class RowProofs {
  readonly #reader: Snapshot
  readonly #blocks = new Map<string, ReadBlock>()

  constructor(reader: Snapshot) {
    this.#reader = reader
  }

  /** @throws AuditError as {@link proofOfRow} does */
  async of(auditId: bigint): Promise<Provable> {
    const row = await this.#reader.event(auditId)
    if (row === undefined) return 'no row'
    if (row.place === undefined) return 'no block'
    const { block, keyBlocks, digests, changed } = await this.#blockOf(row.place)
    if (changed.has(auditId)) throw refuted(`what row ${auditId} says is not what its digest was made of`)
    if (digests[row.place.index] === undefined) throw refuted(`row ${auditId} is not in its place`)
    return makeRowProof(row.event, row.place.index, digests, block, keyBlocks)
  }

  async #blockOf(place: Place): Promise<ReadBlock> {
    const key = `${place.chain} ${place.block}`
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    const { block, keyBlocks } = await blocksFor(this.#reader, place)
    const read = { block, keyBlocks, ...(await digestsOf(this.#reader, block)) }
    this.#blocks.set(key, read)
    for (const [oldest] of this.#blocks) {
      if (this.#blocks.size <= MOST_BLOCKS) break
      this.#blocks.delete(oldest)
    }
    return read
  }
}

type Place = NonNullable<PlacedEvent['place']>

interface ReadBlock {
  readonly block: BlockColumns
  readonly keyBlocks: readonly BlockColumns[]
  /** Of all rows of the block, in order. */
  readonly digests: readonly Uint8Array[]
  /** Rows whose columns do not make the digest that is stored with them. */
  readonly changed: ReadonlySet<bigint>
}

async function blocksFor(
  reader: Snapshot,
  { chain, block: number }: Place,
): Promise<{ block: BlockColumns; keyBlocks: readonly BlockColumns[] }> {
  const keyBlocks: BlockColumns[] = []
  let block: BlockColumns | undefined
  for await (const batch of reader.keyBlocks(chain, number)) {
    for (const columns of batch) {
      if (columns.blockNo === BigInt(number)) block = columns
      if (columns.kind === 'genesis' || columns.kind === 'rotate') keyBlocks.push(columns)
    }
  }
  if (block === undefined) throw refuted(`block ${number} of chain ${chain} is not there`)
  return { block, keyBlocks }
}

/** A row's own is computed; those of its mates are theirs to prove. */
async function digestsOf(
  reader: Snapshot,
  { chainId: chain, minId, maxId, blockNo, rowCount }: BlockColumns,
): Promise<Pick<ReadBlock, 'digests' | 'changed'>> {
  const digests = new Map<number, Uint8Array>()
  const changed = new Set<bigint>()
  if (minId === null || maxId === null) throw refuted(`block ${blockNo} has no rows`)
  for await (const batch of reader.rows({ first: minId, last: maxId }, { chain, ids: undefined })) {
    for (const row of batch) {
      if (row.block !== Number(blockNo) || row.index === null || row.stored === null) continue
      if (!sameBytes(row.computed, row.stored)) changed.add(row.auditId)
      digests.set(row.index, row.stored)
    }
  }
  const inOrder = Array.from({ length: digests.size }, (_, index) => digests.get(index))
  if (digests.size !== rowCount || !inOrder.every((digest) => digest !== undefined)) {
    throw refuted(`rows of block ${blockNo} are missing: nothing in it can be proven`)
  }
  return { digests: inOrder, changed }
}

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_REFUTED', message)
}
