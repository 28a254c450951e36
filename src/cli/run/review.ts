import type { Command } from 'commander'
import { snowflakeTime } from '../../event/snowflake.js'
import { formatTime } from '../../event/time.js'
import { JSON } from '../../host/globals.js'
import type { ReadRow } from '../../postgres/read/copied-event.js'
import { parseFilter } from '../../query/filter.js'
import { matches } from '../../query/matches.js'
import { type AccessReview, ReviewTally } from '../../query/review/access-review.js'
import { CoverageTally } from '../../query/review/coverage-tally.js'
import { reviewCsv } from '../../query/review/review-csv.js'
import type { ReviewManifest, ReviewVerification } from '../../query/review/review-manifest.js'
import { reviewPage } from '../../query/review/review-page.js'
import { type ReviewWindow, reviewWindow } from '../../query/review/window.js'
import { Anchors } from '../../verify/anchors.js'
import { verify, type VerifyReport } from '../../verify/verify.js'
import { VERSION } from '../../version.js'
import type { Flags } from '../read-flags.js'
import { fileOf, makeDirectory, refuseExistingDirectory, writeInto } from './output-directory.js'
import { Progress } from './progress.js'
import { whoami } from './read-session.js'
import { type ReviewBasis, withBasis } from './review-basis.js'
import { trustAndHash } from './verify-input.js'
import { watchedRows } from './watched-rows.js'

const EXIT_FINDINGS = 1

export async function run(flags: Flags, _command: Command): Promise<void> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const window = reviewWindow({ quarter: text('quarter'), from: text('from'), to: text('to') })
  const credential = text('credential') ?? '*'
  const filter = { credential, from: formatTime(window.from), to: formatTime(window.to) }
  const directory = text('out') ?? `access-review-${window.label}`
  await refuseExistingDirectory(directory)
  const { trust, sha256 } = await trustAndHash(text('trust'))
  await withBasis({ flags, trust, window }, async (basis) => {
    const made = await madeReview(basis, { window, credential, trustSha256: sha256 })
    const manifestText = `${JSON.stringify(made.manifest, undefined, 2)}\n`
    const manifest = fileOf('manifest.json', manifestText)
    await basis.record({
      what: 'review',
      filter: JSON.stringify(filter),
      rows: made.manifest.rows_read,
      sha256: manifest.sha256,
    })
    await makeDirectory(directory)
    for (const [name, content] of made.files) await writeInto(directory, name, content)
    await writeInto(directory, manifest.name, manifestText)
    process.stdout.write(summaryOf(directory, made.manifest, manifest.sha256))
    if (made.manifest.retired_before !== null) sayRetired(made.manifest.retired_before)
    if (made.manifest.verification.result === 'findings') process.exitCode = EXIT_FINDINGS
  })
}

interface ReviewRequest {
  readonly window: ReviewWindow
  readonly credential: string
  readonly trustSha256: string | null
}

interface MadeReview {
  readonly manifest: ReviewManifest
  readonly files: readonly (readonly [name: string, text: string])[]
}

/** Reads everything once: each row is verified and counted from the same bytes. */
async function madeReview(
  { source, trust, elsewhere, mark, stated }: ReviewBasis,
  { window, credential, trustSha256 }: ReviewRequest,
): Promise<MadeReview> {
  const counted = new Counted(window, credential, mark)
  const findings = new Map<string, number>()
  const progress = new Progress('rows')
  let done = 0
  const report = await verify(
    watchedRows(source, (row) => counted.add(row)),
    {
      trust,
      anchors: new Anchors(),
      selection: { chain: undefined, ids: undefined },
      elsewhere,
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
    made_by: whoami().actorId,
    ...stated,
    retired_before: retiredBefore(report.retention),
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

/** The end of what was retired, as its notes say: what is before it is not all there. */
function retiredBefore(retention: VerifyReport['retention']): string | null {
  const gone = retention.filter(({ state }) => state !== 'kept').map(({ to }) => to)
  if (gone.length === 0) return null
  return formatTime(snowflakeTime(gone.reduce((last, to) => (to > last ? to : last))) * 1000)
}

function sayRetired(before: string): void {
  process.stderr.write(
    `otel-audit: rows before ${before} were retired: what is said of then is not complete. otel-audit review --archive reviews their archives\n`,
  )
}

/** What a review counts of the rows that come by. */
class Counted {
  readonly coverage: CoverageTally
  readonly #tally: ReviewTally
  readonly #window: ReviewWindow
  readonly #mark: bigint | undefined
  readonly #asked: ReturnType<typeof parseFilter>
  read = 0
  unsettled = 0

  constructor(window: ReviewWindow, credential: string, mark: bigint | undefined) {
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
    if (isForeign === false && this.#mark !== undefined && recordedXid >= this.#mark) {
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
