import { Anchors } from '../verify/anchors.js'
import { type FindingCode, FindingLog, sumOfCounts } from '../verify/finding.js'
import type { VerifyReport } from '../verify/verify.js'
import type { ArchiveStore } from './archive-store.js'
import type { ReadManifest } from './manifest.js'
import {
  type ArchiveReport,
  type ArchiveRequest,
  checkRetired,
  checkStarts,
  pinningStarts,
  verifyArchive,
} from './verify-archive.js'

export interface PlacesRequest extends Pick<ArchiveRequest, 'trust' | 'onFinding' | 'onProgress'> {
  /** What a verification of the trail has found of retired partitions, and of where its chains begin. */
  readonly trail: Pick<VerifyReport, 'retention' | 'starts'>
}

export interface PlacesReport {
  /** In the order in which they were given, each once. */
  readonly places: readonly { readonly place: string; readonly archives: readonly ReadManifest[] }[]
  readonly findings: ReadonlyMap<FindingCode, number>
}

/**
 * Verifies the archives of a trail, each place by itself, and that what the trail says was retired is in one of them: the archives of
 * retired partitions, and the blocks up to where chains begin now. Of several places each finding names its own.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when a place cannot be read
 */
export async function verifyPlaces(
  stores: readonly ArchiveStore[],
  { trust, trail, onFinding, onProgress }: PlacesRequest,
): Promise<PlacesReport> {
  const byPlace = new Map(stores.map((store) => [store.place, store]))
  const pinning = pinningStarts(trust, trail.starts)
  const verified: (ArchiveReport & { readonly place: string })[] = []
  for (const [place, store] of byPlace) {
    const report = await verifyArchive(store, {
      trust: pinning,
      anchors: new Anchors(),
      selection: { chain: undefined, ids: undefined },
      onFinding: (finding) =>
        onFinding(byPlace.size === 1 ? finding : { ...finding, message: `${place}: ${finding.message}` }),
      onProgress,
    })
    verified.push({ place, ...report })
  }
  const log = new FindingLog(onFinding)
  checkRetired(
    trail.retention,
    verified.flatMap(({ archives }) => archives),
    log,
  )
  const reports = verified.flatMap(({ report }) => report ?? [])
  // What a place has whose files are not those of their manifests is not known: that it lacks something would be a guess.
  if (reports.length === verified.length) checkStarts(trail.starts, reports, log)
  const counts = verified.flatMap(({ report, findings }) => [report?.findings ?? new Map(), findings])
  return { places: verified, findings: sumOfCounts([...counts, log.counts]) }
}
