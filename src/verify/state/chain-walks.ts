import type { BlockColumns } from '../../chain/block-columns.js'
import type { Anchors } from '../anchors.js'
import type { ChainPoint } from '../chain-point.js'
import type { ChainStarts } from '../chain-starts.js'
import { headsByChain } from '../chain-standing.js'
import { type ChainSummary, ChainWalk } from '../chain-walk.js'
import type { SignatureChecks } from '../signature-checks.js'
import type { PinnedBlock, Trust } from '../trust.js'
import type { IdCollector } from './id-sets.js'
import { KnownHead } from './known-head.js'
import type { PlacedFindings } from './placed-findings.js'

/** What chains are walked with. */
export interface ChainRequest {
  readonly trust: Trust
  readonly findings: PlacedFindings
  readonly checks: SignatureChecks
  readonly anchors: Anchors
  /** Where chains begin whose first blocks were retired. */
  readonly starts: ChainStarts
  /** How far chains were in order. */
  readonly points: ReadonlyMap<string, ChainPoint>
  /** Takes the ids of blocks of which an anchor says a row. */
  readonly anchored: IdCollector
}

/** A chain that was walked, in part or to its end. */
export interface WalkedPart {
  readonly summary: ChainSummary
  /** Nothing was found, and it can be walked on from where this walk has ended. */
  readonly clean: ChainPoint | undefined
}

/** Walks chains one after the other, as their blocks come. */
export class ChainWalks {
  readonly #request: ChainRequest
  readonly #pins: ReadonlyMap<string, readonly PinnedBlock[]>
  readonly #onEnd: (part: WalkedPart) => void
  #current:
    | {
        readonly chain: string
        readonly walk: ChainWalk
        readonly head: KnownHead | undefined
        readonly notedAt: number
      }
    | undefined

  /** @param onEnd told of each chain, when the next one begins, or at the end */
  constructor(request: ChainRequest, onEnd: (part: WalkedPart) => void) {
    this.#request = request
    this.#pins = headsByChain(request.trust)
    this.#onEnd = onEnd
  }

  get chain(): string | undefined {
    return this.#current?.chain
  }

  /**
   * The blocks of a chain come next.
   *
   * @param from it is walked on behind that block. Undefined: from genesis
   * @param expectsHead the blocks that come include the one that it was walked to before
   */
  begin(chain: string, from: ChainPoint | undefined, expectsHead: boolean): void {
    this.end()
    const { trust, findings, checks, points } = this.#request
    const notedAt = findings.noted
    const start = this.#request.starts.get(chain)
    const isBehind = start !== undefined && from !== undefined && from.last.number >= start.block
    const begin = { heads: this.#pins.get(chain), from, start: isBehind ? undefined : start }
    const walk = new ChainWalk(chain, trust, findings, checks, begin)
    const known = points.get(chain)
    const head = expectsHead && known !== undefined ? new KnownHead(known, findings) : undefined
    this.#current = { chain, walk, head, notedAt }
  }

  add(columns: BlockColumns): void {
    const current = this.#current
    if (current === undefined) return
    const { block, hash } = current.walk.add(columns)
    current.head?.see(columns, hash)
    const place = { chain: columns.chainId, number: Number(columns.blockNo), rows: block?.rows }
    const { anchors, findings, anchored } = this.#request
    anchors.check(place, hash, findings)
    if (block?.ids !== undefined && anchors.expectsRows({ chain: place.chain, block: place.number }))
      anchored.add(block.ids)
  }

  end(): void {
    if (this.#current === undefined) return
    const { walk, head, notedAt } = this.#current
    this.#current = undefined
    const summary = walk.end()
    head?.end()
    const isQuiet = this.#request.findings.noted === notedAt
    this.#onEnd({ summary, clean: isQuiet ? summary.point : undefined })
  }
}
