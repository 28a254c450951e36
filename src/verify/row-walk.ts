import { rowLeaf } from '../chain/block.js'
import { INT8_MIN } from '../event/int8.js'
import { sameBytes } from '../chain/hash.js'
import { MerkleFrontier } from '../chain/merkle.js'
import type { BlockDoubts } from './block-doubts.js'
import { isUnchanged, judgeRows } from './block-rows.js'
import { IdRanges } from './id-ranges.js'
import type { LeafDigests } from './leaf-digests.js'
import { type OpenBlock, OpenBlocks } from './open-blocks.js'
import type { ChainSummary } from './chain-walk.js'
import type { FindingCode, FindingLog } from './finding.js'
import type { IdRange, RowBlock, CheckedRow } from './source.js'
import { mustBeSigned, type Trust } from './trust.js'

/** A chain, as its walk has left it. */
export type WalkedChain = Pick<ChainSummary, 'enrolled' | 'doubts'>

/** Rows that need not be there. */
export interface GoneRows {
  readonly ids: IdRanges
  /** What is left of some of them. */
  readonly leaves: LeafDigests | undefined
}

/** What the trust file says by itself. */
export function goneBy({ rowsFrom }: Pick<Trust, 'rowsFrom'>): GoneRows {
  return { ids: new IdRanges([{ first: INT8_MIN, last: rowsFrom - 1n }]), leaves: undefined }
}

/** How many rows there were of which kind. */
export interface RowCoverage {
  /** In a complete block whose root they give. */
  readonly proven: number
  /** Without a block. */
  readonly unsigned: number
  /** In a block of which a part was retired: their digests hold, and the root of what is left cannot be known. */
  readonly partly: number
  /** Not there any more, by the trust file, or by a retention key that it names. */
  readonly retired: number
  /** There all the same, although they were retired. Each is one of the others too. */
  readonly kept: number
}

/** Who is told of rows that are in no block that was admitted. */
export interface RowHooks {
  /** A row without a block. */
  readonly unsigned?: ((row: CheckedRow) => void) | undefined
  /**
   * A row that names a block which was not admitted, or does not reach to it. Once taken (true) nothing is said of it, unless it
   * comes back by {@link RowWalk.refuse}.
   */
  readonly outside?: ((row: CheckedRow) => boolean) | undefined
}

/** Rows more than a block has signed: beyond these it is not looked for the ones that are too many. */
const MOST_SURPLUS = 1000

/** Sweeping costs as much as looking at every open block: now and then. */
const SWEEP_EVERY_ROWS = 10_000

/**
 * Holds rows against blocks, both in ascending order of ids.
 *
 * The range of ids is part of what a block signs, so a block is open from its smallest id to its largest: only rows in
 * between can be its own. The rows of an open block are kept until the last has come.
 */
export class RowWalk {
  readonly #trust: Trust
  readonly #findings: FindingLog
  readonly #ids: IdRange | undefined
  readonly #chains: ReadonlyMap<string, WalkedChain> | undefined
  readonly #onRow: (row: CheckedRow) => void
  readonly #gone: GoneRows
  readonly #hooks: RowHooks
  readonly #open: OpenBlocks
  /** By chain: blocks that were proven, and whose rows were too many to be kept. */
  readonly #givenUp = new Map<string, Set<number>>()
  #sinceSweep = 0
  #proven = 0
  #unsigned = 0
  #partly = 0
  #retired = 0
  #kept = 0
  #foreign = 0

  /**
   * @param ids rows that were asked for; others come along only because they share a block with one
   * @param chains all that were walked: a block of another one, or one that was not read, is not a block. Undefined: every
   *   block counts as proven
   * @param onRow told of each row that is in an open block
   * @param gone rows that need not be there
   */
  constructor(
    trust: Trust,
    findings: FindingLog,
    ids: IdRange | undefined,
    chains?: ReadonlyMap<string, WalkedChain>,
    onRow: (row: CheckedRow) => void = () => {},
    gone: GoneRows = goneBy(trust),
    hooks: RowHooks = {},
  ) {
    this.#trust = trust
    this.#findings = findings
    this.#ids = ids
    this.#chains = chains
    this.#open = new OpenBlocks((chain) => chains?.get(chain)?.enrolled === true)
    this.#onRow = onRow
    this.#gone = gone
    this.#hooks = hooks
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

  /** Rows that another transaction put here than the one that they name. Each is counted elsewhere too. */
  get foreign(): number {
    return this.#foreign
  }

  /** @param auditId of the row that comes next */
  admit(block: RowBlock, auditId: bigint): void {
    const doubts = this.#doubtsOf(block.chain)
    if (doubts === null) return
    if (doubts !== undefined && (!doubts.wasRead(block.block) || doubts.isUnusable(block.block))) return
    const rows = doubts === undefined || doubts.isProven(block.block) ? [] : undefined
    const opened: OpenBlock = { block, rows, leaves: new MerkleFrontier(), inOrder: true, count: 0 }
    // None of its rows is there: of a month that was retired it is so for every block.
    if (block.maxId < auditId) return this.#settle(opened)
    this.#open.add(opened)
    this.#relieve()
  }

  add(row: CheckedRow): void {
    if (++this.#sinceSweep >= SWEEP_EVERY_ROWS) this.#sweep(row.auditId)
    const { auditId, chain, block, index } = row
    if (this.#gone.ids.has(auditId) && this.#isAskedFor(auditId)) this.#kept++
    if (row.isForeign === true && this.#isAskedFor(auditId)) this.#foreign++
    if (chain !== null && block !== null && index !== null && index >= 0) {
      const open = this.#open.get(chain, block)
      if (open !== undefined && auditId >= open.block.minId && auditId <= open.block.maxId) {
        this.#hold(row, open, index)
        return this.#relieve()
      }
    }
    if (!this.#isAskedFor(auditId)) return
    const isOutside = chain !== null && block !== null && index !== null && index >= 0
    if (isOutside && !this.#isDoubtful(chain, block) && this.#hooks.outside?.(row) === true) return
    this.#addWithoutBlock(row)
  }

  /** The block that the row names is not there, or does not reach to it. */
  refuse(row: CheckedRow): void {
    this.#addWithoutBlock(row)
  }

  /** No more rows come. */
  end(): void {
    for (const open of this.#open.all()) this.#close(open)
  }

  /** Memory has a bound, whatever there is: what goes over it is a finding. */
  #relieve(): void {
    for (const open of this.#open.excess()) {
      this.#open.remove(open)
      // Nothing proves it, which is a finding already.
      if (open.rows === undefined) continue
      const { chain, block } = open.block
      const known = this.#givenUp.get(chain) ?? new Set()
      this.#givenUp.set(chain, known.add(block))
      this.#findBlock(
        open.block,
        'block-unchecked',
        'too many blocks or rows overlap with it: its rows were not checked',
      )
    }
  }

  /** @returns null for a chain that is not there; undefined when all blocks count as proven */
  #doubtsOf(chain: string): BlockDoubts | null | undefined {
    return this.#chains === undefined ? undefined : (this.#chains.get(chain)?.doubts ?? null)
  }

  #addWithoutBlock(row: CheckedRow): void {
    const { auditId, chain, block, index, stored } = row
    const isUnsigned = chain === null && block === null && index === null
    if (isUnsigned) {
      this.#unsigned++
      this.#hooks.unsigned?.(row)
    }
    if (!(isUnsigned && stored === null)) this.#checkDigest(row)
    if (isUnsigned) {
      if (mustBeSigned(this.#trust, auditId)) this.#find('row-unsigned', row, 'it has no block')
    } else if (chain === null || block === null || index === null || index < 0) {
      this.#find('row-misplaced', row, 'it says only half of where it is')
    } else if (!this.#isDoubtful(chain, block)) {
      this.#find('row-without-block', row, `there is no block ${block} that reaches to this id`)
    }
  }

  /** Such a block is a finding, and what it says of its ids is not held against rows. */
  #isDoubtful(chain: string, block: number): boolean {
    if (this.#givenUp.get(chain)?.has(block) === true) return true
    const doubts = this.#doubtsOf(chain)
    return doubts != null && doubts.isThere(block) && !doubts.isProven(block)
  }

  #checkDigest(row: CheckedRow): void {
    if (isUnchanged(row)) return
    this.#find('row-changed', row, 'its columns do not have the digest that was stored with them')
  }

  #hold(row: CheckedRow, open: OpenBlock, index: number): void {
    this.#checkDigest(row)
    this.#onRow(row)
    const { block, rows, leaves } = open
    if (rows === undefined) {
      if (index !== open.count) open.inOrder = false
      leaves.add(rowLeaf(block.chain, block.block, open.count, row.computed))
    } else if (open.count < block.rowCount + MOST_SURPLUS) {
      this.#open.hold(open, row)
    }
    open.count++
    if (open.count >= block.rowCount && row.auditId >= block.maxId) this.#close(open)
  }

  #close(open: OpenBlock): void {
    this.#open.remove(open)
    this.#settle(open)
  }

  /** No more rows of it come. */
  #settle(open: OpenBlock): void {
    const { block, rows, count } = open
    if (rows === undefined) return this.#settleDoubtful(open)
    if (rows.length < count) {
      this.#findBlock(block, 'block-root', `${count} rows name it, and it has ${block.rowCount}`)
      return
    }
    const { ids, leaves } = this.#gone
    const judgement = judgeRows(block, rows, ids, leaves?.of(block.chain, block.block))
    const { proven, partly, retired, missing, firstMissing, misplaced, differs } = judgement
    this.#proven += proven
    this.#partly += partly
    this.#retired += retired
    for (const { row, why } of misplaced) this.#find('row-misplaced', row, why)
    if (missing > 0) {
      const many = `${retired > 0 ? 'at least ' : ''}${missing} of its ${block.rowCount} rows`
      const what = `${many} ${missing === 1 ? 'is' : 'are'} missing, from index ${firstMissing} on`
      this.#findBlock(block, 'row-missing', what)
    }
    if (differs === 'root') this.#findBlock(block, 'block-root', 'its rows are not those that were signed')
    if (differs === 'ids') {
      this.#findBlock(block, 'block-root', 'its smallest and largest ids are not those of its rows')
    }
    if (proven > 0) this.#checkForeign(block, rows)
    // The sum of what was said of its rows is what was signed, or something was found.
    const isFound = missing > 0 || misplaced.length > 0 || differs !== undefined || !rows.every(isUnchanged)
    if (!isFound && proven + partly + retired !== block.rowCount) {
      this.#findBlock(
        block,
        'block-root',
        `${proven + partly + retired} of its ${block.rowCount} rows are accounted for`,
      )
    }
  }

  /** Who hides a row from exports by its transaction, or writes a table anew, leaves these. One finding for a block. */
  #checkForeign(block: RowBlock, rows: readonly CheckedRow[]): void {
    const { restoredBelow = INT8_MIN } = this.#trust
    const foreign = rows.filter(
      (row) => row.isForeign === true && row.auditId >= restoredBelow && isUnchanged(row),
    )
    if (foreign.length === 0) return
    const what = `${foreign.length} of its ${block.rowCount} rows were put here by another transaction than the one that they name`
    this.#findBlock(block, 'row-foreign', what)
  }

  /** Nobody has signed what it says: so much for the block, and nothing for its rows. */
  #settleDoubtful({ block, count, inOrder, leaves }: OpenBlock): void {
    const fits = inOrder && count === block.rowCount && sameBytes(leaves.root, block.root)
    const mayLack = count < block.rowCount && this.#gone.ids.overlaps(block.minId, block.maxId)
    if (!fits && !mayLack) this.#findBlock(block, 'block-root', 'nor are its rows what it says')
  }

  /** Closes what has been passed. */
  #sweep(auditId: bigint): void {
    this.#sinceSweep = 0
    for (const open of this.#open.passedBy(auditId)) this.#close(open)
  }

  #isAskedFor(auditId: bigint): boolean {
    return this.#ids === undefined || (auditId >= this.#ids.first && auditId <= this.#ids.last)
  }

  #findBlock({ chain, block }: RowBlock, code: FindingCode, detail: string): void {
    this.#findings.add(code, detail, { chain, block })
  }

  #find(code: FindingCode, { auditId, chain, block }: CheckedRow, detail: string): void {
    this.#findings.add(code, detail, { auditId, chain: chain ?? undefined, block: block ?? undefined })
  }
}
