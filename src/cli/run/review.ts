import type { Command } from 'commander'
import { formatTime } from '../../event/time.js'
import { JSON } from '../../host/globals.js'
import type { ReadRow } from '../../postgres/read/copied-event.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import { parseFilter } from '../../query/filter.js'
import { matches } from '../../query/matches.js'
import { type AccessReview, ReviewTally } from '../../query/review/access-review.js'
import { CoverageTally } from '../../query/review/coverage-tally.js'
import { reviewCsv } from '../../query/review/review-csv.js'
import type { ReviewManifest, ReviewVerification } from '../../query/review/review-manifest.js'
import { reviewPage } from '../../query/review/review-page.js'
import { type ReviewWindow, reviewWindow } from '../../query/review/window.js'
import { Anchors } from '../../verify/anchors.js'
import type { Trust } from '../../verify/trust.js'
import { verify } from '../../verify/verify.js'
import { VERSION } from '../../version.js'
import type { Flags } from '../read-flags.js'
import { fileOf, makeDirectory, refuseExistingDirectory, writeInto } from './output-directory.js'
import { Progress } from './progress.js'
import { whoami, withTrail } from './read-session.js'
import { snapshotOf } from './verify-database.js'
import { trailsOf, trustAndHash } from './verify-input.js'
import { watchedRows } from './watched-rows.js'

const EXIT_FINDINGS = 1

export async function run(flags: Flags, _command: Command): Promise<void> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const window = reviewWindow({ quarter: text('quarter'), from: text('from'), to: text('to') })
  const credential = text('credential') ?? '*'
  const filter = { credential, from: formatTime(window.from), to: formatTime(window.to) }
  const directory = text('out') ?? `access-review-${window.label}`
  await refuseExistingDirectory(directory)
  const { trust: given, sha256 } = await trustAndHash(text('trust'))
  await withTrail(flags, async ({ settings, record }) => {
    const trust = { ...given, trails: trailsOf(given, settings.trail) }
    const reader = await snapshotOf(settings, trust.trails)
    try {
      const made = await madeReview(reader, { window, credential, trust, trustSha256: sha256 })
      const manifestText = `${JSON.stringify(made.manifest, undefined, 2)}\n`
      const manifest = fileOf('manifest.json', manifestText)
      await record({
        what: 'review',
        filter: JSON.stringify(filter),
        rows: made.manifest.rows_read,
        sha256: manifest.sha256,
      })
      await makeDirectory(directory)
      for (const [name, content] of made.files) await writeInto(directory, name, content)
      await writeInto(directory, manifest.name, manifestText)
      process.stdout.write(summaryOf(directory, made.manifest, manifest.sha256))
      if (made.manifest.verification.result === 'findings') process.exitCode = EXIT_FINDINGS
    } finally {
      await reader.close()
    }
  })
}

interface ReviewRequest {
  readonly window: ReviewWindow
  readonly credential: string
  readonly trust: Trust
  readonly trustSha256: string | null
}

interface MadeReview {
  readonly manifest: ReviewManifest
  readonly files: readonly (readonly [name: string, text: string])[]
}

/** Reads the whole trail once: each row is verified and counted from the same bytes. */
async function madeReview(
  reader: Snapshot,
  { window, credential, trust, trustSha256 }: ReviewRequest,
): Promise<MadeReview> {
  const mark = await reader.mark()
  const counted = new Counted(window, credential, mark)
  const findings = new Map<string, number>()
  const progress = new Progress('rows')
  let done = 0
  const report = await verify(
    watchedRows(reader, (row) => counted.add(row)),
    {
      trust,
      anchors: new Anchors(),
      selection: { chain: undefined, ids: undefined },
      onFinding: () => {},
      onProgress: ({ step, done: now }) => {
        if (step === 'rows') progress.add(now - done)
        if (step === 'rows') done = now
      },
    },
  )
  progress.end()
  for (const [code, count] of report.findings) findings.set(code, count)
  const { pairs, ...totals } = counted.review()
  const verification: ReviewVerification = {
    result: findings.size > 0 ? 'findings' : 'nothing found',
    findings: Object.fromEntries(findings),
    chains: report.chains.length,
    unenrolled: report.chains.filter(({ pinned, enrolled }) => !pinned && !enrolled).length,
    blocks: report.blocks,
    rows: report.rows,
    trust_sha256: trustSha256,
  }
  const csv = reviewCsv(pairs)
  const manifest: ReviewManifest = {
    format: 'otel-audit/review/v1',
    version: VERSION,
    label: window.label,
    from: formatTime(window.from),
    to: formatTime(window.to),
    credential,
    made_at: formatTime(reader.now),
    made_by: whoami().actorId,
    trail: await reader.trail(),
    mark: String(mark),
    ...(await reader.place()),
    rows_read: counted.read,
    unsettled: counted.unsettled,
    verification,
    coverage: counted.coverage.stated(),
    totals: { ...totals, pairs: pairs.length },
    files: [fileOf('review.csv', csv)],
  }
  const page = reviewPage(manifest, pairs)
  return {
    manifest: { ...manifest, files: [...manifest.files, fileOf('review.html', page)] },
    files: [
      ['review.csv', csv],
      ['review.html', page],
    ],
  }
}

/** What a review counts of the rows that come by. */
class Counted {
  readonly coverage: CoverageTally
  readonly #tally: ReviewTally
  readonly #window: ReviewWindow
  readonly #mark: bigint
  readonly #asked: ReturnType<typeof parseFilter>
  read = 0
  unsettled = 0

  constructor(window: ReviewWindow, credential: string, mark: bigint) {
    this.#window = window
    this.#mark = mark
    this.#asked = parseFilter({ credential })
    this.#tally = new ReviewTally(window)
    this.coverage = new CoverageTally(window)
  }

  add({ event, recordedXid, isForeign }: ReadRow): void {
    this.read++
    const { from, to } = this.#window
    // A foreign row names a transaction of another server.
    if (isForeign === false && recordedXid >= this.#mark) {
      if (event.occurredAt >= from && event.occurredAt < to) this.unsettled++
      return
    }
    this.coverage.add(event)
    if (event.operation === 'audit_gap' || matches(this.#asked, event)) this.#tally.add(event)
  }

  review(): AccessReview {
    return this.#tally.review()
  }
}

function summaryOf(directory: string, manifest: ReviewManifest, sha256: string): string {
  const { totals, verification, label } = manifest
  const found = Object.entries(verification.findings).map(([code, count]) => `${count} ${code}`)
  return [
    `review     ${label}: ${totals.accesses} accesses, ${totals.denied} denied or failed, ${totals.pairs} pairs`,
    `           ${totals.credentials.accessed} credentials accessed, ${totals.credentials.first_seen} first seen, ${totals.credentials.dormant} dormant; ${totals.lost} accesses known to have no row`,
    `verified   ${manifest.rows_read} rows read, ${verification.rows.proven} proven; findings: ${found.join(', ') || 'none'}`,
    `written    ${directory}: review.csv, review.html, manifest.json`,
    `sha256     ${sha256} manifest.json`,
    '',
  ].join('\n')
}
