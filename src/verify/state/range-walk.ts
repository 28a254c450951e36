import type { BlockColumns } from '../../chain/block-columns.js'
import type { Anchors } from '../anchors.js'
import { type BlockSum, BlockSums } from '../block-sum.js'
import { BlockStream } from '../block-stream.js'
import { headsByChain } from '../chain-standing.js'
import { ChainWalk } from '../chain-walk.js'
import { type GoneRows, type RowCoverage, type RowHooks, RowWalk, type WalkedChain } from '../row-walk.js'
import type { SignatureChecks } from '../signature-checks.js'
import { ALL_IDS, type IdRange, type RowBlock, rowBlockOf } from '../source.js'
import { mustBeSigned, type PinnedBlock, type Trust } from '../trust.js'
import { bucketOf } from './id-bucket.js'
import type { BucketSums } from './bucket-sums.js'
import type { IncrementalSource } from './incremental-source.js'
import { OutsideRows } from './outside-rows.js'
import type { PlacedFindings } from './placed-findings.js'

/** What ranges of ids are verified with. */
export interface RangeRequest {
  readonly source: IncrementalSource
  readonly trust: Trust
  readonly findings: PlacedFindings
  readonly checks: SignatureChecks
  readonly anchors: Anchors
  readonly gone: GoneRows
  readonly onRows: (count: number) => void
}

export interface WalkedRange {
  readonly coverage: RowCoverage
  readonly foreign: number
  /** Blocks that begin in it. */
  readonly blocks: number
  readonly rows: number
  /** The smallest id of a row in it. */
  readonly firstId: bigint | undefined
}

/**
 * Verifies one range of ids by itself: the blocks whose smallest id is in it, each under the key that its chain had there, with all of
 * their rows, also those beyond the range; and every other row in it: without a block, or of a block that begins elsewhere.
 *
 * A block begins in one range only, so that ranges which make up all ids make up all blocks and rows.
 *
 * @param unsigned takes the rows without a block
 * @param onBlock told of each block that begins in the range, as its rows are held against it
 */
export async function walkRange(
  range: IdRange,
  { source, trust, findings, checks, anchors, gone, onRows }: RangeRequest,
  unsigned: BucketSums,
  onBlock: (block: RowBlock) => void,
): Promise<WalkedRange> {
  const sums = new BlockSums()
  const proof = new RangeProof(range, trust, findings, checks, sums.start(), onBlock)
  for await (const batch of source.blocksOfIds(range)) for (const columns of batch) proof.add(columns)
  proof.end()
  const hooks: RowHooks = {
    unsigned: (row) => {
      // Where it must be signed it is a finding by itself.
      if (!mustBeSigned(trust, row.auditId)) unsigned.add(bucketOf(row.auditId), row.computed)
    },
    outside: (row) => outside.take(row),
  }
  const onRow = anchors.checkRow.bind(anchors)
  const walk = new RowWalk(trust, findings, range, proof.chains, (row) => onRow(row, findings), gone, hooks)
  const outside = new OutsideRows(source, (row) => walk.refuse(row))
  const again = sums.start()
  const blocks = new BlockStream(source.rowBlocksOfIds(range), again)
  const selection = { chain: undefined, ids: range }
  let [rows, firstId]: [number, bigint | undefined] = [0, undefined]
  for await (const batch of source.rows({ first: range.first, last: proof.last }, selection, proof.rows)) {
    firstId ??= batch[0]?.auditId
    for (const row of batch) {
      while (blocks.isDue(row.auditId)) await blocks.take(row.auditId, walk)
      walk.add(row)
    }
    rows += batch.length
    onRows(batch.length)
    if (outside.isFull) await outside.lookUp()
  }
  await blocks.take(ALL_IDS.last, walk)
  walk.end()
  await outside.lookUp()
  const { coverage, foreign } = walk
  const found = { blocks: proof.blocks, rows, firstId, foreign }
  if (proof.sum.equals(again)) return { ...found, coverage }
  findings.add('store-altered', `asked twice for the blocks ${named(range)}, it gave different ones`, {})
  return { ...found, coverage: { ...coverage, proven: 0, partly: 0 } }
}

function named({ first, last }: IdRange): string {
  return `that begin with ids ${first} to ${last}`
}

/** Blocks of a range, chain by chain: each is held against the key that genesis and the rotations before it have brought in. */
class RangeProof {
  readonly chains = new Map<string, WalkedChain>()
  readonly sum: BlockSum
  readonly #range: IdRange
  readonly #trust: Trust
  readonly #findings: PlacedFindings
  readonly #checks: SignatureChecks
  readonly #onBlock: (block: RowBlock) => void
  readonly #pins: ReadonlyMap<string, readonly PinnedBlock[]>
  #current: { readonly chain: string; readonly walk: ChainWalk } | undefined
  /** Of the current chain, blocks that end beyond the range. */
  #far: { readonly block: number; readonly last: bigint }[] = []
  #last: bigint
  #blocks = 0
  #rows = 0

  constructor(
    range: IdRange,
    trust: Trust,
    findings: PlacedFindings,
    checks: SignatureChecks,
    sum: BlockSum,
    onBlock: (block: RowBlock) => void,
  ) {
    this.#range = range
    this.#trust = trust
    this.#findings = findings
    this.#checks = checks
    this.sum = sum
    this.#onBlock = onBlock
    this.#pins = headsByChain(trust)
    this.#last = range.last
  }

  /** The last id that a proven block of the range reaches to. */
  get last(): bigint {
    return this.#last
  }

  get blocks(): number {
    return this.#blocks
  }

  /** As many as the blocks say. */
  get rows(): number {
    return this.#rows
  }

  add(columns: BlockColumns): void {
    const { chainId: chain, blockNo } = columns
    if (this.#current?.chain !== chain) {
      this.#endChain()
      // Pins that are not among these blocks are not missing.
      this.#current = { chain, walk: this.#begin(chain) }
    }
    const { walk } = this.#current
    if (walk.isBegun && blockNo >= 0n && blockNo < 2n ** 53n) walk.skipTo(Number(blockNo))
    walk.add(columns)
    const block = rowBlockOf(columns)
    if (block === undefined || block.minId < this.#range.first || block.minId > this.#range.last) return
    this.sum.add(block)
    this.#onBlock(block)
    this.#blocks++
    this.#rows += Math.max(0, block.rowCount)
    if (block.maxId > this.#range.last) this.#far.push({ block: block.block, last: block.maxId })
  }

  end(): void {
    this.#endChain()
  }

  #begin(chain: string): ChainWalk {
    const isPinned = this.#pins.has(chain)
    // Whether a chain is pinned is said by all of its blocks, and these are some: here it counts as unenrolled, and is no finding.
    const trust = isPinned ? { ...this.#trust, enrolment: [] } : this.#trust
    return new ChainWalk(chain, trust, this.#findings, this.#checks)
  }

  #endChain(): void {
    if (this.#current === undefined) return
    const { chain, walk } = this.#current
    const { enrolled, doubts } = walk.end()
    this.chains.set(chain, { enrolled, doubts })
    for (const { block, last } of this.#far.splice(0)) {
      if (doubts.isProven(block) && last > this.#last) this.#last = last
    }
  }
}
