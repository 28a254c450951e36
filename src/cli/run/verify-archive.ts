import { verifyArchive } from '../../archive/verify-archive.js'
import { verifyPlaces } from '../../archive/verify-places.js'
import { wallClock } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import type { FindingCode } from '../../verify/finding.js'
import type { IdRange } from '../../verify/source.js'
import type { Trust } from '../../verify/trust.js'
import type { VerifyReport } from '../../verify/verify.js'
import { archivesAt } from './archive-place.js'
import { anchorsFrom } from './verify-input.js'
import { type VerifyFormat, VerifyOutput } from './verify-output.js'

interface Asked {
  readonly format: VerifyFormat
  readonly chain: string | undefined
  readonly ids: IdRange | undefined
  readonly everySignature: boolean | undefined
  readonly anchors: string | undefined
}

const EXIT_FINDINGS = 1
const EXIT_NOT_CHECKED = 2

/** Verifies archives without a database. @returns the exit code */
export async function verifyArchiveAlone(directory: string, trust: Trust, asked: Asked): Promise<number> {
  const { format, chain, ids, everySignature } = asked
  const output = new VerifyOutput(format, wallClock() * 1000)
  const { anchors, lines } = await anchorsFrom(asked.anchors)
  const { archives, findings, report } = await verifyArchive(archivesAt(directory), {
    trust,
    anchors,
    selection: { chain, ids },
    everySignature,
    onFinding: (finding) => output.finding(finding),
    onProgress: (progress) => output.progress(progress),
  })
  tellArchives(
    directory,
    archives.length,
    archives.reduce((sum, { manifest }) => sum + manifest.rows, 0),
  )
  if (archives.length === 0 && findings.size === 0) return EXIT_NOT_CHECKED
  if (report === undefined) {
    process.stderr.write(
      'otel-audit: files are not those of their manifests: what they say was not verified\n',
    )
    return EXIT_FINDINGS
  }
  const all = new Map([...report.findings, ...findings])
  output.report({ ...report, findings: all }, lines)
  if (all.size > 0) return EXIT_FINDINGS
  return report.unread.count > 0 ? EXIT_NOT_CHECKED : 0
}

/** Verifies the archives of what was retired from a trail. @returns what was found */
export async function archivesOf(
  given: readonly string[],
  trust: Trust,
  trail: Pick<VerifyReport, 'retention' | 'starts'>,
  output: VerifyOutput,
): Promise<ReadonlyMap<FindingCode, number>> {
  const { places, findings } = await verifyPlaces(given.map(archivesAt), {
    trust,
    trail,
    onFinding: (finding) => output.finding(finding),
    onProgress: (progress) => output.progress(progress),
  })
  for (const { place, archives } of places) {
    tellArchives(
      place,
      archives.length,
      archives.reduce((sum, { manifest }) => sum + manifest.rows, 0),
    )
  }
  return findings
}

function tellArchives(directory: string, archives: number, rows: number): void {
  const many = `${archives} archives of ${rows.toLocaleString('en-US')} rows in ${visible(directory)}`
  process.stderr.write(
    `otel-audit: ${archives === 0 ? `there is no archive in ${visible(directory)}` : many}\n`,
  )
}
