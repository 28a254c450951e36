import { rowLeaf } from '../chain/block.js'
import { sameBytes } from '../chain/hash.js'
import { MerkleFrontier } from '../chain/merkle.js'
import type { FindingCode, FindingLog } from './finding.js'
import type { IdRange, RowBlock, CheckedRow } from './source.js'
import { mustBeSigned, type Trust } from './trust.js'

/** How many rows there were of which kind. */
export interface RowCoverage {
  /** In a complete block whose root they give. */
  readonly proven: number
  /** Without a block. */
  readonly unsigned: number
  /** In a block of which a part was retired: their digests hold, and the root of what is left cannot be known. */
  readonly partly: number
  /** Not there any more, by the trust file. */
  readonly retired: number
  /** There all the same, below the id from which on the trust file has rows. Each is one of the others too. */
  readonly kept: number
}

/** A block whose rows are coming by. */
interface OpenBlock {
  readonly block: RowBlock
  readonly leaves: MerkleFrontier
  /** Index that comes next. */
  next: number
  /** A row that was not retired has come: so those after it were not. */
  reached: boolean
  /** Rows that are not there, and may have been retired. */
  retired: number
  /** Rows that are missing so far. */
  missing: number
  firstMissing: number
  /** Something more telling than the root was found. */
  spoilt: boolean
}

/** Blocks whose ids overlap at one place. Far more than any honest trail has; each takes about 1 KB. */
export const MOST_OPEN_BLOCKS = 50_000

/** Sweeping costs as much as looking at every open block: now and then. */
const SWEEP_EVERY_ROWS = 10_000

/**
 * Holds rows against blocks, both in ascending order of ids.
 *
 * The range of ids is part of what a block signs, so a block is open from its smallest id to its largest: only rows in
 * between can be its own. Of an open block no more is kept than the edge of its tree, since indexes ascend with ids.
 */
export class RowWalk {
  readonly #trust: Trust
  readonly #findings: FindingLog
  readonly #ids: IdRange | undefined
  /** By chain and number. */
  readonly #open = new Map<string, Map<number, OpenBlock>>()
  #openCount = 0
  #sinceSweep = 0
  #proven = 0
  #unsigned = 0
  #partly = 0
  #retired = 0
  #kept = 0

  /** @param ids rows that were asked for; others come along only because they share a block with one */
  constructor(trust: Trust, findings: FindingLog, ids: IdRange | undefined) {
    this.#trust = trust
    this.#findings = findings
    this.#ids = ids
  }

  get coverage(): RowCoverage {
    return {
      proven: this.#proven,
      unsigned: this.#unsigned,
      partly: this.#partly,
      retired: this.#retired,
      kept: this.#kept,
    }
  }

  /**
   * @param auditId of the row that comes next
   * @returns false when too many blocks are open at once
   */
  admit(block: RowBlock, auditId: bigint): boolean {
    const state = { next: 0, reached: false, retired: 0, missing: 0, firstMissing: 0, spoilt: false }
    const opened: OpenBlock = { block, leaves: new MerkleFrontier(), ...state }
    // None of its rows is there: of a month that was retired it is so for every block.
    if (block.maxId < auditId) {
      this.#settle(opened)
      return true
    }
    const blocks = this.#open.get(block.chain) ?? new Map<number, OpenBlock>()
    this.#open.set(block.chain, blocks)
    if (!blocks.has(block.block)) this.#openCount++
    blocks.set(block.block, opened)
    return this.#openCount <= MOST_OPEN_BLOCKS
  }

  add(row: CheckedRow): void {
    if (++this.#sinceSweep >= SWEEP_EVERY_ROWS) this.#sweep(row.auditId)
    const { auditId, chain, block, index, stored, computed } = row
    if (auditId < this.#trust.rowsFrom && this.#isAskedFor(auditId)) this.#kept++
    if (chain === null && block === null && index === null) return this.#addUnsigned(row)
    if (chain === null || block === null || index === null || index < 0) {
      if (this.#isAskedFor(auditId)) this.#find('row-misplaced', row, 'it gives only a part of its place')
      return
    }
    const open = this.#open.get(chain)?.get(block)
    if (open === undefined || auditId < open.block.minId || auditId > open.block.maxId) {
      if (this.#isAskedFor(auditId)) {
        this.#find('row-without-block', row, `there is no block ${block} that reaches to this id`)
      }
      return
    }
    if (stored === null || !sameBytes(stored, computed)) {
      open.spoilt = true
      this.#find('row-changed', row, 'its columns do not have the digest that was stored with them')
    }
    this.#place(row, open, index)
    if (open.next >= open.block.rowCount && auditId >= open.block.maxId) this.#close(open)
  }

  /** No more rows come. */
  end(): void {
    for (const blocks of this.#open.values()) for (const open of blocks.values()) this.#close(open)
  }

  #addUnsigned(row: CheckedRow): void {
    const { auditId, stored, computed } = row
    if (!this.#isAskedFor(auditId)) return
    this.#unsigned++
    if (stored !== null && !sameBytes(stored, computed)) {
      this.#find('row-changed', row, 'its columns do not have the digest that was stored with them')
    }
    if (mustBeSigned(this.#trust, auditId)) this.#find('row-unsigned', row, 'it has no block')
  }

  #place(row: CheckedRow, open: OpenBlock, index: number): void {
    if (index < open.next || index >= open.block.rowCount) {
      open.spoilt = true
      const what = index < open.next ? 'was taken, or passed, before' : 'is beyond the rows of the block'
      this.#find('row-misplaced', row, `its index ${index} ${what}`)
      return
    }
    if (index > open.next && this.#mayLack(open)) open.retired += index - open.next
    else miss(open, index)
    if (row.auditId >= this.#trust.rowsFrom) open.reached = true
    open.leaves.add(rowLeaf(open.block.chain, open.block.block, index, row.computed))
    open.next = index + 1
  }

  /** Whether rows that are missing before the one that comes may have been retired: ids ascend with indexes. */
  #mayLack({ block, reached }: OpenBlock): boolean {
    return !reached && block.minId < this.#trust.rowsFrom
  }

  #close(open: OpenBlock): void {
    const { chain, block } = open.block
    if (this.#open.get(chain)?.delete(block)) this.#openCount--
    this.#settle(open)
  }

  /** No more rows of it come. */
  #settle(open: OpenBlock): void {
    const { chain, block, rowCount, root, maxId } = open.block
    if (open.next < rowCount && this.#mayLack(open)) {
      // The last row has the block's largest id, so it is known whether that one was retired.
      const end = maxId < this.#trust.rowsFrom ? rowCount : rowCount - 1
      open.retired += end - open.next
      open.next = end
    }
    miss(open, rowCount)
    this.#retired += open.retired
    const { missing, firstMissing, retired } = open
    if (missing > 0) {
      const many = `${retired > 0 ? 'at least ' : ''}${missing} of its ${rowCount} rows`
      const what = `${many} ${missing === 1 ? 'is' : 'are'} missing, from index ${firstMissing} on`
      this.#findings.add('row-missing', what, { chain, block })
    } else if (retired > 0) {
      this.#partly += open.leaves.size
    } else if (!sameBytes(open.leaves.root, root)) {
      if (!open.spoilt)
        this.#findings.add('block-root', 'its rows are not those that were signed', { chain, block })
    } else {
      this.#proven += open.leaves.size
    }
  }

  /** Closes what has been passed. */
  #sweep(auditId: bigint): void {
    this.#sinceSweep = 0
    for (const [chain, blocks] of this.#open) {
      for (const open of blocks.values()) if (open.block.maxId < auditId) this.#close(open)
      if (blocks.size === 0) this.#open.delete(chain)
    }
  }

  #isAskedFor(auditId: bigint): boolean {
    return this.#ids === undefined || (auditId >= this.#ids.first && auditId <= this.#ids.last)
  }

  #find(code: FindingCode, { auditId, chain, block }: CheckedRow, detail: string): void {
    this.#findings.add(code, detail, { auditId, chain: chain ?? undefined, block: block ?? undefined })
  }
}

/** The rows before this index should have come. */
function miss(open: OpenBlock, index: number): void {
  if (index <= open.next) return
  if (open.missing === 0) open.firstMissing = open.next
  open.missing += index - open.next
}
