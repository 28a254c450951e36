import { type AnchorCoverage, Anchors, type UnreadAnchors } from './anchors.js'
import type { BlockColumns } from '../chain/block-columns.js'
import { type BlockSum, BlockSums } from './block-sum.js'
import { BlockStream } from './block-stream.js'
import { endPinned, headsByChain } from './chain-standing.js'
import { type ChainStarts, endStarts, readStarts, rowsBefore } from './chain-starts.js'
import { type ChainReport, type ChainSummary, ChainWalk } from './chain-walk.js'
import { checkContinuations } from './continuations.js'
import { type Finding, type FindingCode, FindingLog } from './finding.js'
import { goneRows, type KnownRetention, readRetention } from './retention.js'
import { type GoneRows, type RowCoverage, RowWalk } from './row-walk.js'
import { type SignatureCoverage, SignatureChecks } from './signature-checks.js'
import {
  ALL_IDS,
  type CheckedRow,
  type IdRange,
  rowBlockOf,
  type Selection,
  type TrailSource,
} from './source.js'
import type { Trust } from './trust.js'

export interface VerifyRequest {
  readonly trust: Trust
  readonly selection: Selection
  readonly anchors: Anchors
  /** Check every signature, also where the blocks after it prove the block. Default: false. */
  readonly everySignature?: boolean | undefined
  /** Ids of rows that the source need not have: it is a part of a trail. Then continuations are not looked for either. */
  readonly elsewhere?: readonly IdRange[] | undefined
  /** Told of each finding, as it is found. */
  readonly onFinding: (finding: Finding) => void
  /** Told now and then how far it is. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
}

export interface VerifyProgress {
  readonly step: 'blocks' | 'rows'
  readonly done: number
}

/** What was looked at, and what was found. Nothing found means as much as the coverage says, and no more. */
export interface VerifyReport {
  readonly findings: ReadonlyMap<FindingCode, number>
  readonly chains: readonly ChainReport[]
  readonly blocks: number
  readonly signatures: SignatureCoverage
  readonly rows: RowCoverage
  /** Rows that another transaction put here than the one that they name, as after a restore. */
  readonly foreign: number
  /** What the trail says was retired, or is being retired, where a retention key of the trust file has signed it. */
  readonly retention: KnownRetention
  /** Where chains begin whose first blocks were retired, where a retention key of the trust file has signed it. */
  readonly starts: ChainStarts
  readonly anchors: AnchorCoverage
  /** Anchors that were given and could not be read: nothing was checked by them. */
  readonly unread: UnreadAnchors
}

/**
 * Verifies a trail, from one snapshot of it and from what the auditor knows.
 *
 * 1. Every chain, from its genesis: that each block is what its key has signed, and follows from the one before, and that
 *    the chain is one of this trail.
 * 2. That chains which others continue are there, and as far as those say; and the blocks that the trust file pins.
 * 3. That blocks which were said outside the database are there, as they were said.
 * 4. Every row: that it is what was signed in its block, in its place; and every block: that none of its rows is missing,
 *    but for those that were retired.
 *
 * Before all that, whether tables answer. The blocks are read twice, for 1 and for 4, and the second time they are held
 * to be the same by a sum over both.
 *
 * Memory: the summaries of the chains, the anchors, and the blocks that overlap at one id, up to a bound. No table is
 * ever held. Whatever is in the store, it ends with a report.
 *
 * @throws whatever the source throws
 */
export async function verify(source: TrailSource, request: VerifyRequest): Promise<VerifyReport> {
  const findings = new FindingLog(request.onFinding)
  const alterations = await source.alterations()
  for (const { what } of alterations) findings.add('store-altered', what, {})
  const { anchors, trust } = request
  const isHidden = alterations.some(({ hidesRows }) => hidesRows)
  const { chains, blocks, signatures, rows, foreign, retention, starts } = isHidden
    ? NOTHING_READ
    : await walk(source, { ...request, trust: await trustIn(source, trust) }, findings)
  return {
    findings: findings.counts,
    chains: [...chains.values()],
    blocks,
    signatures,
    rows,
    foreign,
    retention,
    starts,
    anchors: anchors.coverage,
    unread: anchors.unread(trust.origin),
  }
}

/** What nobody has said of the trail from elsewhere, the store says itself. */
export async function trustIn(source: TrailSource, trust: Trust): Promise<Trust> {
  if (trust.trails !== undefined && trust.trails.length > 0) return trust
  const trail = await source.trail?.()
  return trail === undefined ? trust : { ...trust, trails: [trail] }
}

/** Only the chains, and only by themselves: the first thing that {@link verify} does. */
export async function verifyChains(
  source: TrailSource,
  request: Pick<VerifyRequest, 'trust' | 'onFinding'>,
): Promise<readonly ChainSummary[]> {
  const findings = new FindingLog(request.onFinding)
  const trust = await trustIn(source, request.trust)
  const whole = { trust, onFinding: request.onFinding, anchors: new Anchors(), selection: EVERYTHING }
  const { starts: signed } = await readRetention(source, trust, findings)
  const starts = await readStarts(source, signed, findings)
  const { chains } = await walkChains(source, whole, starts, new BlockSums().start(), findings)
  return [...chains.values()]
}

const EVERYTHING: Selection = Object.freeze({ chain: undefined, ids: undefined })

interface Walked extends Pick<WalkedChains, 'chains' | 'blocks' | 'signatures'> {
  readonly rows: RowCoverage
  readonly foreign: number
  readonly retention: KnownRetention
  readonly starts: ChainStarts
}

/** What cannot be read is not said to be missing. */
const NOTHING_READ: Walked = {
  chains: new Map(),
  blocks: 0,
  signatures: { checked: 0, of: 0 },
  foreign: 0,
  retention: [],
  starts: new Map(),
  rows: { proven: 0, unsigned: 0, retired: 0, partly: 0, kept: 0 },
}

async function walk(source: TrailSource, request: VerifyRequest, findings: FindingLog): Promise<Walked> {
  const { anchors, trust, selection } = request
  const sums = new BlockSums()
  const signed = await readRetention(source, trust, findings)
  const retention = signed.partitions
  const { elsewhere } = request
  const starts = await readStarts(source, elsewhere === undefined ? signed.starts : undefined, findings)
  const walked = await walkChains(source, request, starts, sums.start(), findings)
  const { chains, blocks, signatures } = walked
  if (selection.chain === undefined && elsewhere === undefined) checkContinuations(chains, findings)
  if (elsewhere === undefined) endPinned(trust, chains, selection.chain, findings)
  if (elsewhere === undefined) endStarts(starts, chains, selection.chain, findings)
  anchors.endBlocks(chains, trust.origin, selection.chain, findings, starts)
  const gone = await goneRows(source, { trust, retention, elsewhere }, findings)
  const again = sums.start()
  const { coverage, foreign } = await walkRows(source, request, walked, gone, again, findings)
  const rows = { ...coverage, retired: coverage.retired + rowsBefore(starts, selection) }
  if (walked.sum.equals(again)) return { chains, blocks, signatures, rows, foreign, retention, starts }
  const what = 'asked twice for the same blocks, it gave different ones: no row counts as proven'
  findings.add('store-altered', what, {})
  return { chains, blocks, signatures, foreign, retention, starts, rows: { ...rows, proven: 0, partly: 0 } }
}

interface WalkedChains {
  readonly chains: ReadonlyMap<string, ChainSummary>
  readonly blocks: number
  readonly signatures: SignatureCoverage
  /** From the smallest to the largest id of the blocks that are looked at. */
  readonly extent: IdRange | undefined
  /** Of the blocks that the rows are to be held against. */
  readonly sum: BlockSum
}

async function walkChains(
  source: TrailSource,
  { trust, selection, anchors, everySignature = false, elsewhere, onProgress }: VerifyRequest,
  starts: ChainStarts,
  sum: BlockSum,
  findings: FindingLog,
): Promise<WalkedChains> {
  const checks = new SignatureChecks(everySignature, findings)
  const chains = new Map<string, ChainSummary>()
  const pinned = headsByChain(trust)
  const isPart = elsewhere !== undefined
  let extent: IdRange | undefined
  let blocks = 0
  let current: { readonly chain: string; readonly walk: ChainWalk } | undefined
  for await (const batch of source.blocks(selection)) {
    for (const columns of batch) {
      if (current?.chain !== columns.chainId) {
        if (current !== undefined) chains.set(current.chain, current.walk.end())
        const { chainId: chain } = columns
        const known = { heads: pinned.get(chain), start: starts.get(chain), isPart }
        current = { chain, walk: new ChainWalk(chain, trust, findings, checks, known) }
      }
      const walked = current.walk.add(columns)
      const { block, hash } = walked
      const [chain, number] = [columns.chainId, Number(columns.blockNo)]
      anchors.check({ chain, number, rows: block?.rows }, hash, findings)
      addTo(sum, columns, selection.ids ?? ALL_IDS)
      const ids = block?.ids
      if (ids !== undefined && overlaps(ids, selection.ids)) extent = around(extent, ids)
    }
    blocks += batch.length
    onProgress?.({ step: 'blocks', done: blocks })
  }
  if (current !== undefined) chains.set(current.chain, current.walk.end())
  checks.end()
  return { chains, blocks, signatures: checks.coverage, extent, sum }
}

/** Of the block as it was signed. One that is not proven is added, too: it is asked for again like the others. */
function addTo(sum: BlockSum, columns: BlockColumns, ids: IdRange): void {
  const block = rowBlockOf(columns)
  if (block !== undefined && block.minId <= ids.last && block.maxId >= ids.first) sum.add(block)
}

async function walkRows(
  source: TrailSource,
  { trust, selection, anchors, onProgress }: VerifyRequest,
  { chains, extent }: WalkedChains,
  gone: GoneRows,
  sum: BlockSum,
  findings: FindingLog,
): Promise<RowWalk> {
  const onRow = (row: CheckedRow): void => anchors.checkRow(row, findings)
  const walk = new RowWalk(trust, findings, selection.ids, chains, onRow, gone)
  const blocks = new BlockStream(source.rowBlocks(selection), sum)
  const range = around(extent, selection.ids ?? ALL_IDS)
  let done = 0
  // Of a part of the trail nobody has said how many there are.
  const expected =
    selection.ids === undefined ? [...chains.values()].reduce((sum, chain) => sum + chain.rows, 0) : 0
  for await (const batch of source.rows(range, selection, expected)) {
    for (const row of batch) {
      // A synchronous look for each row; waiting only where the next batch of blocks is needed.
      while (blocks.isDue(row.auditId)) await blocks.take(row.auditId, walk)
      walk.add(row)
    }
    done += batch.length
    onProgress?.({ step: 'rows', done })
  }
  await blocks.take(ALL_IDS.last, walk)
  walk.end()
  return walk
}

function overlaps(ids: IdRange, range: IdRange | undefined): boolean {
  return range === undefined || (ids.last >= range.first && ids.first <= range.last)
}

function around(range: IdRange | undefined, ids: IdRange): IdRange {
  if (range === undefined) return { first: ids.first, last: ids.last }
  return {
    first: ids.first < range.first ? ids.first : range.first,
    last: ids.last > range.last ? ids.last : range.last,
  }
}
