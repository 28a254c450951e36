import { JSON, performance } from '../../host/globals.js'
import { lostOf } from '../../verify/losses.js'
import { visible, visibleJson, visibleLines } from '../../host/visible.js'
import type { AnchorLines } from '../../verify/anchor-file.js'
import type { AnchorCoverage, UnreadAnchors } from '../../verify/anchors.js'
import { chainState, type ChainState } from '../../verify/chain-state.js'
import type { Finding } from '../../verify/finding.js'
import type { RowCoverage } from '../../verify/row-walk.js'
import type { SignatureCoverage } from '../../verify/signature-checks.js'
import type { IncrementalCoverage } from '../../verify/state/incremental.js'
import type { VerifyProgress, VerifyReport } from '../../verify/verify.js'

export type VerifyFormat = 'table' | 'json' | 'ndjson'

/** Findings that a table shows one by one; the rest are only counted. */
const MOST_SHOWN = 1000

const PROGRESS_EVERY_MS = 1000

export interface ReportSummary {
  /** `incomplete`: nothing was found, and some of the anchors could not be read. */
  readonly result: 'nothing found' | 'findings' | 'incomplete'
  readonly findings: Readonly<Record<string, number>>
  /** When the snapshot was taken, ISO 8601. */
  readonly asOf: string
  readonly logs: readonly string[]
  readonly chains: Readonly<Record<ChainState | 'total' | 'unenrolled' | 'pinned' | 'foreign', number>>
  readonly blocks: number
  /** Blocks whose own signature was checked; the others are proven by the blocks after them. */
  readonly signatures: SignatureCoverage
  readonly rows: RowCoverage
  /** Rows that another transaction put here than the one that they name. */
  readonly foreign: number
  /** Events that the writers say they have lost. */
  readonly lost: number
  readonly anchors: AnchorCoverage & {
    /** Entries that could not be read. */
    readonly unreadable: number
    /** Of the file. Without one: null. */
    readonly lines: AnchorLines | null
  }
  /** Chains of which the last blocks, with their rows, could be cut off without a trace in the database. */
  readonly openTails: readonly OpenTail[]
  /**
   * What a retention key has signed about partitions: how many are in which state, and the archives of them; and how many chains
   * begin after blocks that were retired.
   */
  readonly retention: {
    readonly retired: number
    readonly retiring: number
    readonly archives: number
    readonly chains: number
  }
  /** What was looked at, where it went on from a state. Without one: null. */
  readonly incremental: IncrementalSummary | null
}

/** Times as ISO 8601. */
type IncrementalSummary = Omit<IncrementalCoverage, 'cycle'> & {
  readonly cycle: { readonly startedAt: string; readonly deadline: string; readonly done: number }
}

interface OpenTail {
  readonly chain: string
  readonly service: string | undefined
  readonly instance: string | undefined
  readonly state: ChainState
  readonly lastBlock: number
  /** From here on nothing is proven, ISO 8601. */
  readonly since: string
}

/** Writes findings as they come, and the report at the end. */
export class VerifyOutput {
  readonly #format: VerifyFormat
  /** µs since the Unix epoch. */
  readonly #now: number
  readonly #findings: object[] = []
  #shown = 0
  #saidAt = performance.now()
  #startedAt = performance.now()
  #step = ''

  constructor(format: VerifyFormat, now: number) {
    this.#format = format
    this.#now = now
  }

  finding(finding: Finding): void {
    this.#shown++
    if (this.#format === 'json') this.#findings.push(asJson(finding))
    else if (this.#format === 'ndjson') write({ type: 'finding', ...asJson(finding) })
    else if (this.#shown <= MOST_SHOWN) process.stdout.write(`${visible(findingLine(finding))}\n`)
  }

  progress({ step, done }: VerifyProgress): void {
    const now = performance.now()
    if (step !== this.#step) {
      this.#step = step
      this.#startedAt = now
      // There is no rate yet.
      this.#saidAt = now
    }
    if (now - this.#saidAt < PROGRESS_EVERY_MS) return
    this.#saidAt = now
    const rate = Math.round((done / (now - this.#startedAt)) * 1000)
    process.stderr.write(`${step}: ${grouped(done)}, ${grouped(rate)} a second\n`)
  }

  report(report: AnyReport, lines?: AnchorLines): void {
    sayUnread(report.unread)
    const summary = this.summary(report, lines)
    if (this.#format === 'json') {
      process.stdout.write(
        visibleJson(`${JSON.stringify({ ...summary, found: this.#findings }, undefined, 2)}\n`),
      )
    } else if (this.#format === 'ndjson') {
      write({ type: 'report', ...summary })
    } else {
      if (this.#shown > MOST_SHOWN) process.stdout.write(`… and ${grouped(this.#shown - MOST_SHOWN)} more\n`)
      process.stdout.write(readable(summary))
    }
  }

  /** The report as JSON has it, without its findings one by one. */
  summary(
    {
      findings,
      chains,
      blocks,
      signatures,
      rows,
      foreign,
      anchors,
      unread,
      retention,
      starts,
      incremental,
    }: AnyReport,
    lines?: AnchorLines,
  ): ReportSummary {
    const states = chains.map(({ end, lastTime }) => chainState(end, lastTime, this.#now))
    const count = (state: ChainState): number => states.filter((other) => other === state).length
    const pinned = chains.filter((chain) => chain.pinned).length
    const unenrolled = chains.filter((chain) => !chain.pinned && !chain.enrolled).length
    return {
      result: findings.size > 0 ? 'findings' : unread.count > 0 ? 'incomplete' : 'nothing found',
      findings: Object.fromEntries(findings),
      asOf: isoTime(this.#now),
      logs: [...new Set(chains.map(({ log }) => log ?? ''))],
      chains: {
        total: chains.length,
        closed: count('closed'),
        idle: count('idle'),
        live: count('live'),
        unclean: count('unclean'),
        unenrolled,
        pinned,
        foreign: chains.filter((chain) => chain.foreign).length,
      },
      blocks,
      signatures,
      rows,
      foreign,
      lost: lostOf(chains.filter(({ foreign: isForeign }) => !isForeign)),
      anchors: { ...anchors, unreadable: unread.count, lines: lines ?? null },
      retention: {
        retired: retention.filter(({ state }) => state === 'retired').length,
        retiring: retention.filter(({ state }) => state === 'retiring').length,
        archives: new Set(retention.flatMap(({ manifests }) => manifests)).size,
        chains: starts.size,
      },
      openTails: chains.flatMap((chain, i) => {
        const state = states[i]
        if (state === undefined || state === 'closed') return []
        const { chain: id, service, instance, lastBlock } = chain
        return [{ chain: id, service, instance, state, lastBlock, since: isoTime(chain.lastTime) }]
      }),
      incremental: incremental === undefined ? null : summaryOf(incremental),
    }
  }
}

type AnyReport = VerifyReport & { readonly incremental?: IncrementalCoverage | undefined }

function summaryOf({ cycle, ...coverage }: IncrementalCoverage): IncrementalSummary {
  const { startedAt, deadline, done } = cycle
  return {
    ...coverage,
    cycle: { startedAt: isoTime(startedAt * 1000), deadline: isoTime(deadline * 1000), done },
  }
}

function incrementalLines({
  sequence,
  full,
  new: fresh,
  again,
  cycle,
  open,
}: IncrementalSummary): readonly string[] {
  const percent = (cycle.done * 100).toFixed(1)
  return [
    `state      ${sequence}, ${full ? 'everything was verified' : 'from the one before'}`,
    `new        ${grouped(fresh.chains)} chains, ${grouped(fresh.blocks)} blocks, ${grouped(fresh.rows)} rows`,
    `again      ${grouped(again.blocks)} blocks, ${grouped(again.rows)} rows; ${percent} % of the cycle until ${cycle.deadline}`,
    ...(open.chains + open.ranges === 0
      ? []
      : [
          `open       ${grouped(open.chains)} chains, ${grouped(open.ranges)} ranges of ids: looked at in every run`,
        ]),
  ]
}

function readable(summary: ReportSummary): string {
  const { chains, rows, anchors, findings, openTails, retention } = summary
  const found = Object.entries(findings).map(([code, count]) => `${grouped(count)} ${code}`)
  const shown = openTails.slice(0, MOST_TAILS)
  return visibleLines([
    `log        ${summary.logs.join(', ') || 'none'}, as of ${summary.asOf}`,
    `chains     ${grouped(chains.total)}: ${chains.closed} closed, ${chains.idle} idle, ${chains.live} live, ${chains.unclean} unclean; ${chains.unenrolled} not enrolled${chains.pinned > 0 ? `, ${chains.pinned} pinned by the trust file instead` : ''}${chains.foreign > 0 ? `, ${chains.foreign} of another trail` : ''}`,
    `blocks     ${grouped(summary.blocks)}`,
    `signatures ${grouped(summary.signatures.checked)} of ${grouped(summary.signatures.of)}`,
    `rows       ${grouped(rows.proven)} proven, ${grouped(rows.unsigned)} unsigned, ${grouped(rows.retired)} retired, ${grouped(rows.partly)} in partly retired blocks${rows.kept > 0 ? `; ${grouped(rows.kept)} of them are present although the trust file says that they were retired` : ''}${summary.foreign > 0 ? `; ${grouped(summary.foreign)} of them are foreign: put here by another transaction than they name, as after a restore` : ''}`,
    ...(retention.retired + retention.retiring > 0
      ? [
          `retention  ${retention.retired} partitions retired, ${retention.retiring} being retired; ${retention.archives} archives named${retention.chains > 0 ? `; the first blocks of ${grouped(retention.chains)} chains are retired` : ''}`,
        ]
      : []),
    `losses     ${grouped(summary.lost)} events, as reported by the writers`,
    `anchors    ${anchors.given === 0 ? 'none' : `${grouped(anchors.held)} of ${grouped(anchors.given)} held`}${anchors.retired > 0 ? `; ${grouped(anchors.retired)} of retired blocks` : ''}${anchors.foreign > 0 ? `; ${grouped(anchors.foreign)} of other logs` : ''}${anchors.unreadable > 0 ? `; ${grouped(anchors.unreadable)} cannot be read` : ''}${lines(anchors.lines)}`,
    ...(openTails.length === 0
      ? []
      : ['open tails (only anchors reveal what was cut off at the end of these)']),
    ...shown.map(
      ({ chain, service, instance, state, lastBlock, since }) =>
        `           ${chain} ${state} since ${since}, block ${lastBlock}${service ? `, ${service}` : ''}${instance ? ` ${instance}` : ''}`,
    ),
    ...(openTails.length > MOST_TAILS
      ? [`           … and ${grouped(openTails.length - MOST_TAILS)} more`]
      : []),
    ...(summary.incremental === null ? [] : incrementalLines(summary.incremental)),
    `findings   ${found.join(', ') || 'none'}`,
    '',
  ])
}

function lines(count: AnchorLines | null): string {
  if (count === null) return ''
  const { withAnchors, without, unreadable } = count
  return ` (lines: ${grouped(withAnchors)} with anchors, ${grouped(without)} without, ${grouped(unreadable)} not readable)`
}

/** Each with its line: what could not be read was not checked. */
function sayUnread({ count, first }: UnreadAnchors): void {
  for (const { line, problem } of first)
    process.stderr.write(`the anchors, line ${line}: ${visible(problem)}\n`)
  if (count > first.length) process.stderr.write(`the anchors: … and ${grouped(count - first.length)} more\n`)
}

/** Open tails that a table shows. */
const MOST_TAILS = 20

/** A finding as a line of a table. */
export function findingLine({ code, message, chain, block, auditId }: Finding): string {
  const place = [
    auditId === undefined ? '' : `row ${auditId}`,
    block === undefined ? '' : `block ${block}`,
    chain === undefined ? '' : `chain ${chain}`,
  ]
  return [code, place.filter(Boolean).join(', '), message].filter(Boolean).join(': ')
}

/** Ids are strings: JSON has no 64-bit integers. */
function asJson({ code, message, chain, block, auditId }: Finding): object {
  return { code, message, chain, block, auditId: auditId?.toString() }
}

function write(value: object): void {
  process.stdout.write(visibleJson(`${JSON.stringify(value)}\n`))
}

function isoTime(us: number): string {
  const date = new Date(us / 1000)
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString()
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
