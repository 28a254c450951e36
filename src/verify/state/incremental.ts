import { AuditError } from '../../errors.js'
import { INT8_MAX, INT8_MIN } from '../../event/int8.js'
import type { Anchors } from '../anchors.js'
import { bytesOfBlock } from '../block-sum.js'
import type { ChainPoint } from '../chain-point.js'
import { type ChainStarts, endStarts, NO_STARTS, readStarts } from '../chain-starts.js'
import { endPinned } from '../chain-standing.js'
import type { ChainReport } from '../chain-walk.js'
import { checkContinuations } from '../continuations.js'
import type { Finding } from '../finding.js'
import { IdRanges } from '../id-ranges.js'
import { goneRows } from '../retention.js'
import { SignatureChecks } from '../signature-checks.js'
import type { IdRange, RowBlock } from '../source.js'
import type { Trust } from '../trust.js'
import { trustIn, type VerifyProgress, type VerifyReport } from '../verify.js'
import { checkOldAnchors } from './anchored-blocks.js'
import { BucketSums } from './bucket-sums.js'
import { reportOf } from './chain-report.js'
import { type ChainShare, walkChainShare } from './chain-share.js'
import type { ChainRequest, WalkedPart } from './chain-walks.js'
import { bucketOf, idsOf } from './id-bucket.js'
import { IdCollector, joined } from './id-sets.js'
import type { BlockPlace, IncrementalSource } from './incremental-source.js'
import { retentionFrom } from './known-retention.js'
import { type NewBlocks, walkNewBlocks } from './new-blocks.js'
import { chainsDue, dueBy, idsDue, isBehind } from './pace.js'
import { PlacedFindings } from './placed-findings.js'
import { type ReadRows, walkRows } from './row-phase.js'
import { trustPrint } from './trust-print.js'
import type { ChainMark, Cycle, KnownChain, VerifyState } from './verify-state.js'

export interface IncrementalRequest {
  readonly trust: Trust
  readonly anchors: Anchors
  readonly everySignature?: boolean | undefined
  readonly onFinding: (finding: Finding) => void
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
  /** What the run before has left. Undefined: there was none, and everything is verified. */
  readonly state: VerifyState | undefined
  /** Another key than the one of {@link sumKey} has signed it: everything is verified. */
  readonly isOfOtherKey?: boolean | undefined
  /** Of the log whose key signs the next state. */
  readonly log: string
  /** SHA-256 of the file of the state before, 64 hex digits. */
  readonly before: string | undefined
  /** For sums over what is read in several runs: nobody who can write to the trail knows it. */
  readonly sumKey: Uint8Array
  /** ms since the Unix epoch. */
  readonly now: number
  /** Within this time everything is read again, in ms. */
  readonly fullEveryMs: number
}

/** What an incremental run has looked at. */
export interface IncrementalCoverage {
  /** Of the state that it leaves. */
  readonly sequence: number
  /** Everything was verified: there was no state, it was another trust file's, or what was found asks for it. */
  readonly full: boolean
  readonly new: { readonly chains: number; readonly blocks: number; readonly rows: number }
  /** Of what is old. */
  readonly again: { readonly blocks: number; readonly rows: number }
  readonly cycle: {
    /** ms since the Unix epoch. */
    readonly startedAt: number
    readonly deadline: number
    /** How much of it is done, from 0 to 1. */
    readonly done: number
  }
  /** Places with findings, which each run looks at until nothing is found there. */
  readonly open: { readonly chains: number; readonly ranges: number }
}

export interface IncrementalReport extends VerifyReport {
  readonly incremental: IncrementalCoverage
}

export interface IncrementalResult {
  readonly report: IncrementalReport
  /** What the next run goes on from. Undefined: what answers is not a trail's tables, and what it said is not to be relied on. */
  readonly next: VerifyState | undefined
}

/** Ranges in which something was found. Beyond that everything is read in the next run. */
const MOST_OPEN = 2000
/** Anchors that have failed, and are held again in the next run. All of them were told of when their file was given. */
const MOST_ANCHORS = 10_000
/** Ids of a day: how much later than its id a row about retention may have come. */
const DAY_OF_IDS = 86_400_000n << 22n

/**
 * Verifies what came since the last run, and a share of what is old, from one snapshot.
 *
 * 1. Of each chain the block that was the last one has to be there as it was, and what follows is walked on from it; a chain that is not
 *    known is walked from genesis. What was retired is read.
 * 2. A share of all blocks is walked again, chain by chain.
 * 3. Every row of new blocks and beside them, every row of a share of all ids, and every place in which something was found before.
 *
 * Shares follow the time that has passed since the cycle began; when it is over they are all that is left. Blocks that were read in 2
 * and in 3 over a cycle are held to be the same by sums.
 *
 * The cost depends on what is new, on the share and on the number of chains. Memory: what is known of each chain, and the blocks that
 * overlap at one id.
 *
 * @throws AuditError `AUDIT_VERIFY_STATE` when the state is of another trail; whatever the source throws
 */
export async function verifyOnwards(
  source: IncrementalSource,
  request: IncrementalRequest,
): Promise<IncrementalResult> {
  const findings = new PlacedFindings(request.onFinding)
  const alterations = await source.alterations()
  for (const { what } of alterations) findings.add('store-altered', what, {})
  const trail = await source.trail()
  const { state } = request
  if (state !== undefined && state.trail !== trail) {
    const message = `the state of earlier verifications is of trail ${state.trail}, and this is trail ${trail}`
    throw new AuditError('AUDIT_VERIFY_STATE', message)
  }
  const trust = await trustIn(source, request.trust)
  const run = new Run(source, { ...request, trust }, trustPrint(request.trust), findings)
  if (!alterations.some(({ hidesRows }) => hidesRows)) await run.verify()
  const next = alterations.length > 0 ? undefined : run.next(trail)
  return { report: run.report(), next }
}

/** One run. What its steps have come to is kept here, until report and state are made of it. */
class Run {
  readonly #source: IncrementalSource
  readonly #request: IncrementalRequest
  readonly #print: string
  readonly #findings: PlacedFindings
  readonly #state: VerifyState | undefined
  readonly #isFull: boolean
  readonly #due: number
  readonly #cycle: Cycle
  readonly #checks: SignatureChecks
  readonly #sums: BucketSums
  readonly #anchored = new IdCollector()
  /** As the run goes on: how far each chain is in order. */
  readonly #points: Map<string, ChainPoint>
  readonly #walked = new Map<string, WalkedPart>()
  #retention: Awaited<ReturnType<typeof retentionFrom>> = {
    retention: [],
    starts: new Set(),
    rows: undefined,
  }
  #starts: ChainStarts = NO_STARTS
  #new: Pick<NewBlocks, 'blocks' | 'rows' | 'ids'> = { blocks: 0, rows: 0, ids: [] }
  #newChains = 0
  #share: Pick<ChainShare, 'blocks' | 'mark'>
  #idsFrom: bigint | undefined
  #rows: ReadRows | undefined
  #extent: IdRange | undefined
  /** What was read with its rows is not what was read in its chains: everything is read in the next run. */
  #isDifferent = false

  constructor(
    source: IncrementalSource,
    request: IncrementalRequest,
    print: string,
    findings: PlacedFindings,
  ) {
    const { state, now, fullEveryMs, isOfOtherKey = false } = request
    this.#source = source
    this.#request = request
    this.#print = print
    this.#findings = findings
    this.#state = state
    this.#isFull = state === undefined || isOfOtherKey || state.open.all || state.trust !== print
    this.#cycle =
      state !== undefined && !this.#isFull
        ? state.cycle
        : { ...NEW_CYCLE, startedAt: now, unsigned: isOfOtherKey ? [] : (state?.cycle.unsigned ?? []) }
    this.#due = this.#isFull ? 1 : dueBy(this.#cycle, now, fullEveryMs)
    this.#checks = new SignatureChecks(request.everySignature ?? false, findings)
    this.#sums = new BucketSums(request.sumKey, this.#cycle.blocks)
    this.#points = new Map([...(state?.chains.values() ?? [])].map(({ point }) => [point.chain, point]))
    this.#share = { blocks: 0, mark: this.#cycle.chainsTo }
    this.#idsFrom = this.#cycle.idsFrom
  }

  async verify(): Promise<void> {
    const { trust, anchors } = this.#request
    for (const anchor of this.#state?.anchors ?? []) anchors.add(anchor)
    this.#extent = await this.#source.extent()
    this.#retention = await this.#readRetention()
    const { retention, starts } = this.#retention
    this.#starts = await readStarts(this.#source, starts, this.#findings)
    this.#forgetRetired()
    const gone = await goneRows(this.#source, { trust, retention, elsewhere: undefined }, this.#findings)
    this.#findings.inChains = true
    if (!this.#isFull) await this.#walkNew()
    await this.#walkShare()
    this.#checks.end()
    this.#findings.inChains = false
    const chains = new Map(this.#reports().map((chain) => [chain.chain, chain]))
    checkContinuations(chains, this.#findings)
    endPinned(trust, chains, undefined, this.#findings)
    endStarts(this.#starts, chains, undefined, this.#findings)
    await checkOldAnchors(this.#source, anchors, this.#anchored, this.#findings)
    anchors.endBlocks(chains, trust.origin, undefined, this.#findings, this.#starts)
    await this.#walkRows(gone)
    if (this.#due === 1) this.#compareCycle(gone.ids)
  }

  /** Chains whose last known block was retired since are walked over what the retention key has signed of it. */
  #forgetRetired(): void {
    for (const { chain, block } of this.#starts.values()) {
      if ((this.#points.get(chain)?.last.number ?? block + 1) <= block) this.#points.delete(chain)
    }
  }

  async #readRetention(): ReturnType<typeof retentionFrom> {
    const { state, trust } = { ...this.#request, state: this.#state }
    const isBegun = this.#cycle.idsFrom !== undefined
    const known = this.#isFull || !isBegun ? undefined : state?.retention
    const from = known === undefined || state?.highest === undefined ? undefined : state.highest - DAY_OF_IDS
    return retentionFrom(this.#source, known ?? [], from, trust, this.#findings)
  }

  get #chainRequest(): ChainRequest {
    const { trust, anchors } = this.#request
    return {
      trust,
      anchors,
      findings: this.#findings,
      checks: this.#checks,
      starts: this.#starts,
      points: this.#points,
      anchored: this.#anchored,
    }
  }

  async #walkNew(): Promise<void> {
    const open = this.#state?.open.chains ?? new Set()
    const found = await walkNewBlocks(this.#source, this.#chainRequest, open)
    for (const { chain, last } of this.#points.values()) {
      if (found.there.has(chain)) continue
      const what = 'the verification before has seen this block, and the whole chain is not there'
      this.#findings.add('head-missing', what, { chain, block: last.number })
    }
    this.#newChains = [...found.walked.keys()].filter((chain) => !this.#points.has(chain)).length
    this.#take(found.walked)
    this.#new = found
    this.#progress('blocks', found.blocks)
  }

  /** What is in order is where the next run goes on. */
  #take(walked: ReadonlyMap<string, WalkedPart>): void {
    for (const [chain, part] of walked) {
      this.#walked.set(chain, part)
      if (part.clean !== undefined) this.#points.set(chain, part.clean)
    }
  }

  async #walkShare(): Promise<void> {
    const { chainsTo } = this.#cycle
    const due = this.#due === 1 ? undefined : chainsDue(this.#state?.chains ?? new Map(), this.#due)
    const upTo = due && this.#behindStart(due)
    if (this.#due < 1 && (upTo === undefined || !isBehind(upTo, placeOf(chainsTo)))) return
    const cycle = { sums: this.#sums, isOfCycle: this.#isOfCycle }
    const share = await walkChainShare(this.#source, this.#chainRequest, chainsTo, upTo, cycle)
    this.#share = share
    if (this.#isFull) {
      this.#newChains = [...share.walked.keys()].filter((chain) => !this.#points.has(chain)).length
      this.#take(share.walked)
    }
    this.#progress('blocks', share.blocks)
  }

  /** Among retired blocks a walk cannot end, to go on from there later. */
  #behindStart({ chain, block }: BlockPlace): BlockPlace {
    return { chain, block: Math.max(block, (this.#starts.get(chain)?.block ?? -1) + 1) }
  }

  readonly #isOfCycle = (chain: string, block: number): boolean => {
    if (this.#isFull) return true
    const head = this.#state?.chains.get(chain)?.cycleHead
    return head !== undefined && block >= 0 && block <= head
  }

  async #walkRows(gone: RangeRequest['gone']): Promise<void> {
    const { trust, anchors, sumKey, now, everySignature = false } = this.#request
    const state = this.#isFull ? undefined : this.#state
    const to = this.#due === 1 ? INT8_MAX : idsDue(this.#cycle, this.#due)
    const from = this.#cycle.idsFrom ?? INT8_MIN
    const share = to === undefined || to < from ? undefined : { first: from, last: to }
    const open = state?.open.ids ?? []
    const checks = new SignatureChecks(everySignature, this.#findings)
    let done = 0
    const request: RangeRequest = {
      source: this.#source,
      trust,
      findings: this.#findings,
      checks,
      anchors,
      gone,
      onRows: (count) => this.#progress('rows', (done += count)),
    }
    this.#rows = await walkRows(request, {
      due: joined([...this.#new.ids, ...this.#anchored.ranges, ...outside(state), ...open]),
      open,
      share,
      extent: this.#extent,
      sumKey,
      unsigned: new Map(this.#cycle.unsigned),
      comparableAt: this.#cycleBefore,
      now,
      onShared: (block) => this.#countShared(block),
    })
    checks.end()
    if (share !== undefined) this.#idsFrom = share.last === INT8_MAX ? share.last : share.last + 1n
  }

  /** When all rows without a block had been read before. Undefined: nothing is known of them. */
  get #cycleBefore(): number | undefined {
    return this.#request.isOfOtherKey === true ? undefined : this.#state?.cycle.startedAt
  }

  #countShared(block: RowBlock): void {
    if (this.#isOfCycle(block.chain, block.block))
      this.#sums.takeAway(bucketOf(block.minId), bytesOfBlock(block))
  }

  #compareCycle(gone: IdRanges): void {
    for (const [bucket] of this.#sums.entries()) {
      const { first, last } = idsOf(bucket)
      if (gone.overlaps(first, last)) continue
      const what = `blocks that begin with ids ${first} to ${last} are others in their chains than with their rows`
      this.#findings.add('store-altered', what, {})
      this.#isDifferent = true
    }
  }

  #progress(step: VerifyProgress['step'], done: number): void {
    this.#request.onProgress?.({ step, done })
  }

  #reports(): readonly ChainReport[] {
    const reports = new Map<string, ChainReport>()
    for (const point of this.#points.values()) reports.set(point.chain, reportOf(point))
    for (const [chain, { summary, clean }] of this.#walked)
      if (clean === undefined) reports.set(chain, summary)
    return [...reports.values()]
  }

  get #openChains(): ReadonlySet<string> {
    return this.#findings.chains
  }

  get #openIds(): readonly IdRange[] {
    return this.#rows?.open ?? []
  }

  report(): IncrementalReport {
    const { trust, anchors, fullEveryMs } = this.#request
    const startedAt = this.#due === 1 ? this.#request.now : this.#cycle.startedAt
    return {
      findings: this.#findings.counts,
      chains: this.#reports(),
      blocks: this.#new.blocks + this.#share.blocks,
      signatures: this.#checks.coverage,
      rows: this.#rows?.coverage ?? { proven: 0, unsigned: 0, partly: 0, retired: 0, kept: 0 },
      foreign: this.#rows?.foreign ?? 0,
      retention: this.#retention.retention,
      starts: this.#starts,
      anchors: anchors.coverage,
      unread: anchors.unread(trust.origin),
      incremental: {
        sequence: (this.#state?.sequence ?? 0) + 1,
        full: this.#isFull,
        new: { chains: this.#newChains, blocks: this.#new.blocks, rows: this.#new.rows },
        again: { blocks: this.#share.blocks, rows: this.#rows?.again ?? 0 },
        cycle: { startedAt, deadline: startedAt + fullEveryMs, done: this.#due === 1 ? 0 : this.#due },
        open: { chains: this.#openChains.size, ranges: this.#openIds.length },
      },
    }
  }

  next(trail: string): VerifyState {
    const { now, log, before, trust, anchors } = this.#request
    const isOver = this.#due === 1
    const open = this.#openChains
    const chains = new Map<string, KnownChain>()
    for (const [chain, point] of this.#points) {
      const cycleHead = open.has(chain) ? undefined : point.last.number
      const known = this.#state?.chains.get(chain)?.cycleHead
      chains.set(chain, { point, cycleHead: isOver ? cycleHead : known })
    }
    const lastIds = [...this.#points.values()].flatMap(({ lastId }) => lastId ?? [])
    const firstIds = [this.#state?.lowest ?? [], this.#rows?.firstId ?? []].flat()
    const unsigned = [...(this.#rows?.unsigned ?? this.#cycle.unsigned)]
    return {
      log,
      trail,
      sequence: (this.#state?.sequence ?? 0) + 1,
      before,
      time: Math.floor(now),
      trust: this.#print,
      chains,
      open: {
        chains: open,
        ids: this.#openIds.slice(0, MOST_OPEN),
        all: this.#isDifferent || this.#openIds.length > MOST_OPEN,
      },
      lowest: firstIds.toSorted((a, b) => (a < b ? -1 : 1))[0],
      highest: lastIds.reduce<bigint | undefined>(
        (most, id) => (most === undefined || id > most ? id : most),
        undefined,
      ),
      retention: this.#retention.rows,
      anchors: anchors.failed(trust.origin).slice(0, MOST_ANCHORS),
      cycle: isOver
        ? { ...NEW_CYCLE, startedAt: now, ids: this.#extent, unsigned }
        : {
            ...this.#cycle,
            chainsTo: this.#share.mark,
            idsFrom: this.#idsFrom,
            blocks: this.#sums.entries(),
            unsigned,
          },
    }
  }
}

type RangeRequest = Parameters<typeof walkRows>[0]

const NEW_CYCLE: Omit<Cycle, 'startedAt'> = Object.freeze({
  ids: undefined,
  chainsTo: undefined,
  idsFrom: undefined,
  blocks: [],
  unsigned: [],
})

/** Where rows of ours are not: below all that were there, and above all that were proven. */
function outside(state: VerifyState | undefined): readonly IdRange[] {
  if (state === undefined) return []
  const { lowest, highest } = state
  return [
    ...(lowest === undefined ? [] : [{ first: INT8_MIN, last: lowest - 1n }]),
    { first: highest === undefined ? INT8_MIN : highest + 1n, last: INT8_MAX },
  ]
}

function placeOf(
  mark: ChainMark | undefined,
): { readonly chain: string; readonly block: number } | undefined {
  return mark && { chain: mark.chain, block: mark.point?.last.number ?? Number.MAX_SAFE_INTEGER }
}
