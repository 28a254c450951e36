import type { BlockColumns } from '../../chain/block-columns.js'
import { type IdRange, rowBlockOf } from '../source.js'
import type { ChainPoint } from '../chain-point.js'
import type { ChainSummary } from '../chain-walk.js'
import { ChainWalks, type ChainRequest, type WalkedPart } from './chain-walks.js'
import { IdCollector } from './id-sets.js'
import type { IncrementalSource } from './incremental-source.js'
import { KnownHead } from './known-head.js'

export interface NewBlocks {
  /** Of each chain that something came to, or that is walked anew: what its walk has found. */
  readonly walked: ReadonlyMap<string, WalkedPart>
  /** Chains that are there. */
  readonly there: ReadonlySet<string>
  /** Ids of the rows of proven blocks that no verification has seen. */
  readonly ids: readonly IdRange[]
  readonly blocks: number
  readonly rows: number
}

/**
 * Walks what came since the last verification: of each chain that was in order the blocks behind its head, which has to be there as it was;
 * and each other chain from its genesis.
 *
 * @param open chains that something was found in: they are walked from genesis again
 */
export async function walkNewBlocks(
  source: IncrementalSource,
  request: ChainRequest,
  open: ReadonlySet<string>,
): Promise<NewBlocks> {
  const { points, findings } = request
  const found = new Found(points)
  const walks = new ChainWalks(request, (part) => found.end(part))
  const known = [...points.values()].filter(({ chain }) => !open.has(chain))
  const places = known.map(({ chain, last }) => ({ chain, block: last.number }))
  const broken = new Set<string>()
  let head: KnownHead | undefined
  let current = ''
  for await (const batch of source.blocksOnwards(places)) {
    for (const columns of batch) {
      const { chainId: chain } = columns
      const point = open.has(chain) ? undefined : points.get(chain)
      if (chain !== current) {
        current = chain
        walks.end()
        found.there.add(chain)
        head = point === undefined ? undefined : new KnownHead(point, findings)
        if (point === undefined) walks.begin(chain, undefined, true)
        else {
          // The first of them is the head: only if it is as it was the others follow from it.
          head?.see(columns)
          if (head?.end() === true) walks.begin(chain, point, false)
          else broken.add(chain)
          continue
        }
      }
      if (broken.has(chain)) continue
      walks.add(columns)
      found.see(columns)
    }
  }
  walks.end()
  // What is wrong there is said by the whole chain.
  for (const chain of broken) {
    walks.begin(chain, undefined, false)
    for await (const batch of source.blocks({ chain, ids: undefined })) {
      for (const columns of batch) {
        walks.add(columns)
        found.see(columns)
      }
    }
    walks.end()
  }
  return found
}

class Found implements NewBlocks {
  readonly walked = new Map<string, WalkedPart>()
  readonly there = new Set<string>()
  readonly #points: ReadonlyMap<string, ChainPoint>
  readonly #ids = new IdCollector()
  /** Of the current chain, new blocks with rows. */
  #pending: { readonly block: number; readonly rows: number; readonly ids: IdRange }[] = []
  blocks = 0
  rows = 0

  constructor(points: ReadonlyMap<string, ChainPoint>) {
    this.#points = points
  }

  get ids(): readonly IdRange[] {
    return this.#ids.ranges
  }

  see(columns: BlockColumns): void {
    const number = Number(columns.blockNo)
    const point = this.#points.get(columns.chainId)
    if (point !== undefined && number <= point.last.number) return
    this.blocks++
    const block = rowBlockOf(columns)
    if (block === undefined || block.minId > block.maxId) return
    const ids = { first: block.minId, last: block.maxId }
    this.#pending.push({ block: number, rows: block.rowCount, ids })
  }

  end(part: WalkedPart): void {
    const { chain, doubts }: ChainSummary = part.summary
    this.walked.set(chain, part)
    for (const { block, rows, ids } of this.#pending.splice(0)) {
      if (!doubts.isProven(block)) continue
      this.rows += rows
      this.#ids.add(ids)
    }
  }
}
