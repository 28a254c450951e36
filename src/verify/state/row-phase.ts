import { IdRanges } from '../id-ranges.js'
import type { RowCoverage } from '../row-walk.js'
import type { IdRange, RowBlock } from '../source.js'
import { BucketSums, isSameSum, type BucketSum } from './bucket-sums.js'
import { bucketOf, idsOf, inWholeBuckets, isSettled, piecesOf } from './id-bucket.js'
import { without } from './id-sets.js'
import { type RangeRequest, walkRange } from './range-walk.js'

/** Buckets that are verified in one go. */
const PIECE = 32

/** What a run has read of rows. */
export interface ReadRows {
  readonly coverage: RowCoverage
  readonly foreign: number
  /** Rows of the share. */
  readonly again: number
  /** The smallest id of a row. */
  readonly firstId: bigint | undefined
  /** Where something was found. */
  readonly open: readonly IdRange[]
  /** Rows without a block, as they are known now. */
  readonly unsigned: ReadonlyMap<number, BucketSum>
}

export interface RowPlan {
  /** Ids that were not read before, or in which something was found. */
  readonly due: readonly IdRange[]
  /** In these something was found before: they are read in small pieces, so that the rest is let go. */
  readonly open: readonly IdRange[]
  /** What is read again. */
  readonly share: IdRange | undefined
  /** Where rows are, as the store says: for the size of the pieces only. */
  readonly extent: IdRange | undefined
  readonly sumKey: Uint8Array
  /** Rows without a block, as they were read before; and when all of them were. */
  readonly unsigned: ReadonlyMap<number, BucketSum>
  readonly comparableAt: number | undefined
  readonly now: number
  /** Told of each block that begins in the share. */
  readonly onShared: (block: RowBlock) => void
}

/** Verifies ranges of ids, piece by piece. */
export async function walkRows(request: RangeRequest, plan: RowPlan): Promise<ReadRows> {
  const phase = new RowPhase(request, plan)
  const { share, due, open, extent } = plan
  const rest = share === undefined ? due : without(due, share)
  const isOpen = new IdRanges(open)
  for (const range of rest) {
    const size = isOpen.overlaps(range.first, range.last) ? 1 : PIECE
    for (const piece of piecesOf(range, extent ?? range, size)) await phase.walk(piece, false)
  }
  if (share !== undefined) {
    for (const piece of piecesOf(share, extent ?? share, PIECE)) await phase.walk(piece, true)
  }
  return phase.read
}

class RowPhase {
  readonly #request: RangeRequest
  readonly #plan: RowPlan
  readonly #unsigned: Map<number, BucketSum>
  #coverage: RowCoverage = { proven: 0, unsigned: 0, partly: 0, retired: 0, kept: 0 }
  #foreign = 0
  #again = 0
  #firstId: bigint | undefined
  readonly #open: IdRange[] = []

  constructor(request: RangeRequest, plan: RowPlan) {
    this.#request = request
    this.#plan = plan
    this.#unsigned = new Map(plan.unsigned)
  }

  get read(): ReadRows {
    return {
      coverage: this.#coverage,
      foreign: this.#foreign,
      again: this.#again,
      firstId: this.#firstId,
      open: new IdRanges(this.#open).ranges,
      unsigned: this.#unsigned,
    }
  }

  async walk(piece: IdRange, isShared: boolean): Promise<void> {
    const { findings } = this.#request
    const before = findings.noted
    const unsigned = new BucketSums(this.#plan.sumKey)
    const onBlock = isShared ? this.#plan.onShared : () => {}
    const walked = await walkRange(piece, this.#request, unsigned, onBlock)
    this.#coverage = sumOf(this.#coverage, walked.coverage)
    this.#foreign += walked.foreign
    if (isShared) this.#again += walked.rows
    const { firstId } = walked
    if (firstId !== undefined && (this.#firstId === undefined || firstId < this.#firstId))
      this.#firstId = firstId
    this.#compare(piece, unsigned)
    if (findings.noted > before) this.#open.push(inWholeBuckets(piece))
    else if (isShared) this.#keep(piece, unsigned)
  }

  /** Nobody has signed these rows: that they are as they were is all that can be known. */
  #compare(piece: IdRange, found: BucketSums): void {
    const { comparableAt } = this.#plan
    if (comparableAt === undefined) return
    const buckets = new Set([...this.#unsigned.keys(), ...found.entries().map(([bucket]) => bucket)])
    for (const bucket of buckets) {
      const { first, last } = idsOf(bucket)
      const isWhole = first >= piece.first && last <= piece.last
      if (!isWhole || !isSettled(bucket, comparableAt) || this.#request.gone.ids.overlaps(first, last))
        continue
      const [before, now] = [this.#unsigned.get(bucket) ?? NOTHING, found.of(bucket)]
      if (isSameSum(before, now)) continue
      const counts =
        before.count === now.count
          ? `${now.count}, and not the same`
          : `${now.count}, and ${before.count} before`
      const what = `rows without a block and with ids from ${first} to ${last}: ${counts}`
      this.#request.findings.add('unsigned-altered', what, {})
    }
  }

  #keep(piece: IdRange, found: BucketSums): void {
    for (const bucket of this.#unsigned.keys()) if (isIn(bucket, piece)) this.#unsigned.delete(bucket)
    for (const [bucket, sum] of found.entries()) {
      if (isIn(bucket, piece) && isSettled(bucket, this.#plan.now)) this.#unsigned.set(bucket, sum)
    }
  }
}

const NOTHING: BucketSum = { count: 0, sum: 0n }

function isIn(bucket: number, { first, last }: IdRange): boolean {
  return bucket >= bucketOf(first) && bucket <= bucketOf(last)
}

function sumOf(a: RowCoverage, b: RowCoverage): RowCoverage {
  return {
    proven: a.proven + b.proven,
    unsigned: a.unsigned + b.unsigned,
    partly: a.partly + b.partly,
    retired: a.retired + b.retired,
    kept: a.kept + b.kept,
  }
}
