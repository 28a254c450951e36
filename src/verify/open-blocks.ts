import type { MerkleFrontier } from '../chain/merkle.js'
import type { CheckedRow, RowBlock } from './source.js'

/** A block whose rows are coming by. */
export interface OpenBlock {
  readonly block: RowBlock
  /** Undefined while nothing has proven the block: then it is not held against single rows. */
  readonly rows: CheckedRow[] | undefined
  readonly leaves: MerkleFrontier
  /** Every row had the index that came next. */
  inOrder: boolean
  /** How many rows have come. */
  count: number
}

/** Blocks whose ids overlap at one place. Far more than any honest trail has; each takes about 1 KB. */
export const MOST_OPEN_BLOCKS = 50_000

/** Rows of open blocks. Far more than any honest trail has at one place. */
const MOST_HELD_ROWS = 1_000_000

/**
 * The blocks that are open at one place of the walk, within bounds: whoever may write can make blocks that overlap, and
 * is not to decide how much memory that takes.
 */
export class OpenBlocks {
  readonly #isEnrolled: (chain: string) => boolean
  /** By chain and number. */
  readonly #byChain = new Map<string, Map<number, OpenBlock>>()
  #count = 0
  #held = 0

  constructor(isEnrolled: (chain: string) => boolean) {
    this.#isEnrolled = isEnrolled
  }

  get(chain: string, block: number): OpenBlock | undefined {
    return this.#byChain.get(chain)?.get(block)
  }

  add(open: OpenBlock): void {
    const { chain, block } = open.block
    const blocks = this.#byChain.get(chain) ?? new Map<number, OpenBlock>()
    this.#byChain.set(chain, blocks)
    const known = blocks.get(block)
    if (known !== undefined) this.remove(known)
    blocks.set(block, open)
    this.#count++
  }

  hold(open: OpenBlock, row: CheckedRow): void {
    open.rows?.push(row)
    this.#held++
  }

  remove(open: OpenBlock): void {
    const { chain, block } = open.block
    const blocks = this.#byChain.get(chain)
    if (blocks?.get(block) !== open) return
    blocks.delete(block)
    this.#count--
    this.#held -= open.rows?.length ?? 0
  }

  /** @returns those of which no row can come any more */
  passedBy(auditId: bigint): readonly OpenBlock[] {
    for (const [chain, blocks] of this.#byChain) if (blocks.size === 0) this.#byChain.delete(chain)
    return this.all().filter(({ block }) => block.maxId < auditId)
  }

  all(): readonly OpenBlock[] {
    return [...this.#byChain.values()].flatMap((blocks) => [...blocks.values()])
  }

  /**
   * When there are too many: those to be given up. What nothing proves goes first, then chains that nobody vouches for,
   * and last those of the operator; of each kind the ones with the most rows, or that reach the furthest.
   */
  excess(): readonly OpenBlock[] {
    const hasManyRows = this.#held > MOST_HELD_ROWS
    if (this.#count <= MOST_OPEN_BLOCKS && !hasManyRows) return NONE
    const byWorth = this.all().toSorted(
      (a, b) => this.#worthOf(a) - this.#worthOf(b) || (hasManyRows ? rowsOf(b) - rowsOf(a) : byReach(a, b)),
    )
    const given: OpenBlock[] = []
    let [count, held] = [this.#count, this.#held]
    for (const open of byWorth) {
      if (count <= MOST_OPEN_BLOCKS / 2 && held <= MOST_HELD_ROWS / 2) break
      // Without rows it makes no room where rows are too many.
      if (count <= MOST_OPEN_BLOCKS / 2 && rowsOf(open) === 0) continue
      given.push(open)
      count--
      held -= rowsOf(open)
    }
    return given
  }

  #worthOf({ block, rows }: OpenBlock): number {
    if (rows === undefined) return 0
    return this.#isEnrolled(block.chain) ? 2 : 1
  }
}

const NONE: readonly OpenBlock[] = []

function rowsOf({ rows }: OpenBlock): number {
  return rows?.length ?? 0
}

function byReach({ block: a }: OpenBlock, { block: b }: OpenBlock): number {
  const [reachOfA, reachOfB] = [a.maxId - a.minId, b.maxId - b.minId]
  return reachOfA > reachOfB ? -1 : reachOfA < reachOfB ? 1 : 0
}
