import type { BlockColumns } from '../../chain/block-columns.js'
import { rowBlockOf } from '../source.js'
import type { ChainPoint } from '../chain-point.js'
import type { BucketSums } from './bucket-sums.js'
import { bytesOfBlock } from '../block-sum.js'
import { ChainWalks, type ChainRequest, type WalkedPart } from './chain-walks.js'
import { bucketOf } from './id-bucket.js'
import type { BlockPlace, IncrementalSource } from './incremental-source.js'
import { KnownHead } from './known-head.js'
import type { ChainMark } from './verify-state.js'

export interface ChainShare {
  /** Of each chain of which a part was walked. */
  readonly walked: ReadonlyMap<string, WalkedPart>
  readonly blocks: number
  /** Where the next share begins. Undefined: at the end nothing is left. */
  readonly mark: ChainMark | undefined
}

/**
 * Walks a share of all blocks again, chain by chain: from where the last share has ended up to a place, or to the end. Across all shares of
 * a cycle each block names the one before as it was read then, and the last one is the head that is known: so all were what was signed.
 *
 * @param sums takes the blocks that have rows, and belong to the cycle
 * @param isOfCycle whether a block was there when the cycle began
 */
export async function walkChainShare(
  source: IncrementalSource,
  request: ChainRequest,
  from: ChainMark | undefined,
  upTo: BlockPlace | undefined,
  cycle: { readonly sums: BucketSums; readonly isOfCycle: (chain: string, block: number) => boolean },
): Promise<ChainShare> {
  const { points, findings } = request
  const walked = new Map<string, WalkedPart>()
  let ended: WalkedPart | undefined
  const walks = new ChainWalks(request, (part) => {
    walked.set(part.summary.chain, part)
    ended = part
  })
  let blocks = 0
  const start = from && { chain: from.chain, block: from.point?.last.number ?? Number.MAX_SAFE_INTEGER }
  if (from?.point !== undefined) {
    const { chain, point } = from
    walks.begin(chain, point, hasHead(chain, point.last.number, upTo, points))
  }
  const sumUp = (columns: BlockColumns): void => {
    const block = rowBlockOf(columns)
    if (block === undefined || !cycle.isOfCycle(columns.chainId, block.block)) return
    cycle.sums.add(bucketOf(block.minId), bytesOfBlock(block))
  }
  for await (const batch of source.blocksInOrder(start, upTo)) {
    for (const columns of batch) {
      const { chainId: chain } = columns
      if (walks.chain !== chain) walks.begin(chain, undefined, hasHead(chain, -1, upTo, points))
      walks.add(columns)
      sumUp(columns)
    }
    blocks += batch.length
  }
  walks.end()
  const mark = upTo && markAt(upTo, ended, points)
  if (upTo !== undefined && mark !== undefined && mark.point === undefined) {
    // Something was found in the chain, so it is walked from genesis anyway: its other blocks are only summed up.
    const rest = source.blocksInOrder(upTo, { chain: upTo.chain, block: Number.MAX_SAFE_INTEGER })
    for await (const batch of rest) for (const columns of batch) sumUp(columns)
  }
  for (const point of missing(points, walked, from, upTo)) new KnownHead(point, findings).end()
  return { walked, blocks, mark }
}

/** Whether the last block of the chain that is known lies in the share. */
function hasHead(
  chain: string,
  begun: number,
  upTo: BlockPlace | undefined,
  points: ReadonlyMap<string, ChainPoint>,
): boolean {
  const head = points.get(chain)?.last.number ?? -1
  return head > begun && (upTo === undefined || chain < upTo.chain || upTo.block >= head)
}

/** Chains that are known, and of which nothing came. */
function missing(
  points: ReadonlyMap<string, ChainPoint>,
  walked: ReadonlyMap<string, unknown>,
  from: ChainMark | undefined,
  upTo: BlockPlace | undefined,
): readonly ChainPoint[] {
  return [...points.values()].filter(({ chain }) => {
    const isBehind = from === undefined || chain > from.chain
    return isBehind && (upTo === undefined || chain <= upTo.chain) && !walked.has(chain)
  })
}

/** In the middle of a chain only where all up to there is in order; else the share has ended with the chain. */
function markAt(
  upTo: BlockPlace,
  ended: WalkedPart | undefined,
  points: ReadonlyMap<string, ChainPoint>,
): ChainMark {
  const point = ended?.summary.chain === upTo.chain ? ended.clean : undefined
  const isEnd = upTo.block >= (points.get(upTo.chain)?.last.number ?? 0)
  return { chain: upTo.chain, point: isEnd ? undefined : point }
}
