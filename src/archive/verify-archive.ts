import type { Anchors } from '../verify/anchors.js'
import type { ChainStarts } from '../verify/chain-starts.js'
import { type Finding, type FindingCode, FindingLog } from '../verify/finding.js'
import type { Retention } from '../verify/retention-note.js'
import type { Selection } from '../verify/source.js'
import type { Trust } from '../verify/trust.js'
import { verify, type VerifyProgress, type VerifyReport } from '../verify/verify.js'
import { ArchiveSource } from './archive-source.js'
import type { ArchiveStore } from './archive-store.js'
import { checkKept } from './check-kept.js'
import { checkParquet } from './check-parquet.js'
import { type FoundArchives, findArchives } from './archives.js'
import { filesOf, type ReadManifest, whyUnsigned } from './manifest.js'
import { fileProblem } from './ndjson-file.js'

export interface ArchiveRequest {
  readonly trust: Trust
  readonly anchors: Anchors
  readonly selection: Selection
  readonly everySignature?: boolean | undefined
  readonly onFinding: (finding: Finding) => void
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
}

export interface ArchiveReport {
  /** Whose manifests are in order. */
  readonly archives: readonly ReadManifest[]
  /** Of manifests and files. */
  readonly findings: ReadonlyMap<FindingCode, number>
  /** Of what the files say. Undefined: a file is not the one of its manifest, so nothing was read of them. */
  readonly report: VerifyReport | undefined
}

/**
 * Verifies archives from their files and from what the auditor knows, without a database.
 *
 * 1. Every manifest: that a retention key of the trust file has signed it, that it is of this trail, and follows the one before.
 * 2. Every file: that it is the one of its manifest; of Parquet files, of their note.
 * 3. What they say, as the trail itself is verified: blocks and rows.
 *
 * Where a file is not the one of its manifest, 3 would only say so again, and is left out.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when there is no archive at all, or the place cannot be read
 */
export async function verifyArchive(store: ArchiveStore, request: ArchiveRequest): Promise<ArchiveReport> {
  const findings = new FindingLog(request.onFinding)
  const found = await findArchives(store, request.trust.retention)
  checkManifests(found, request.trust, findings)
  for (const archive of found.archives) {
    const { folder, manifest, at = [] } = archive
    for (const one of at) await checkKept(store, archive, one, findings)
    for (const file of filesOf(manifest)) {
      const problem = await fileProblem(store, folder, file)
      if (problem !== undefined) findings.add('archive-file', problem, {})
      else
        await checkKept(
          store,
          archive,
          { file: `${folder}/${file.name}`, version: file.version_id },
          findings,
        )
    }
  }
  const isReadable = !findings.counts.has('archive-file')
  await checkParquet(store, found.archives, request.trust.retention ?? [], findings)
  const report = isReadable ? await verifyRows(store, found.archives, request) : undefined
  return { archives: found.archives, findings: findings.counts, report }
}

/** The third step alone: of archives whose files are known to be the ones that were written. */
export function verifyRows(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
  { trust, ...request }: ArchiveRequest,
  source = new ArchiveSource(store, archives),
): Promise<VerifyReport> {
  const { trails = [] } = trust
  const named = trails.length > 0 ? trails : [...new Set(archives.map(({ manifest }) => manifest.trail))]
  return verify(source, { ...request, trust: { ...trust, trails: named }, elsewhere: source.elsewhere })
}

function checkManifests(
  { archives, unreadable, unfinished }: FoundArchives,
  trust: Trust,
  findings: FindingLog,
): void {
  for (const { folder, problem } of unreadable) {
    findings.add('archive-manifest', problem.startsWith(folder) ? problem : `${folder}: ${problem}`, {})
  }
  for (const folder of unfinished) {
    findings.add(
      'archive-manifest',
      `${folder} has no signed manifest: it was interrupted, or the note was removed`,
      {},
    )
  }
  const { origin, trails = [], retention = [] } = trust
  let before: ReadManifest | undefined
  for (const archive of archives) {
    const { folder, manifest } = archive
    const bad = (problem: string): void => findings.add('archive-manifest', `${folder}: ${problem}`, {})
    if (retention.length > 0) {
      const why = whyUnsigned(archive, retention)
      if (why !== undefined) bad(why)
    } else {
      bad('the trust file names no retention key (a line "retention")')
    }
    if (origin !== undefined && manifest.log !== origin) bad(`it is of log ${manifest.log}`)
    if (trails.length > 0 && !trails.includes(manifest.trail)) bad(`it is of trail ${manifest.trail}`)
    if (before !== undefined && manifest.trail !== before.manifest.trail)
      bad(`it is of trail ${manifest.trail}, and the one before is not`)
    checkOrder(archive, before, findings)
    before = archive
  }
}

function checkOrder(
  { folder, manifest }: ReadManifest,
  before: ReadManifest | undefined,
  findings: FindingLog,
): void {
  const expected = (before?.manifest.sequence ?? 0) + 1
  if (manifest.sequence !== expected) {
    const last = manifest.sequence - 1
    const which = last === expected ? `archive ${expected} is` : `archives ${expected} to ${last} are`
    findings.add('archive-missing', `${which} missing: ${folder} follows`, {})
  } else if (manifest.previous !== (before?.hash ?? null)) {
    findings.add('archive-manifest', `${folder}: it does not follow from the manifest before it`, {})
  }
}

/** A trust file that also pins, in the archives, the blocks at which the chains of the trail begin. */
export function pinningStarts(trust: Trust, starts: ChainStarts): Trust {
  const { heads = [] } = trust
  const known = new Set(heads.map(({ chain, block }) => `${chain} ${block}`))
  const pinned = [...starts.values()].filter(({ chain, block }) => !known.has(`${chain} ${block}`))
  return { ...trust, heads: [...heads, ...pinned.map(({ chain, block, hash }) => ({ chain, block, hash }))] }
}

/**
 * Holds where the chains of the trail begin against its archives: one of the places must have the blocks up to there, from where it
 * began.
 *
 * @param places what verifying each of them has found
 */
export function checkStarts(
  starts: ChainStarts,
  places: readonly Pick<VerifyReport, 'chains' | 'starts'>[],
  findings: FindingLog,
): void {
  const archived = new Map<string, number>()
  const reaches = (chain: string, block: number): void =>
    void archived.set(chain, Math.max(archived.get(chain) ?? -1, block))
  for (const { chains, starts: begun } of places) {
    for (const { chain, lastBlock } of chains) reaches(chain, lastBlock)
    for (const { chain, block } of begun.values()) reaches(chain, block)
  }
  for (const { chain, block } of starts.values()) {
    if ((archived.get(chain) ?? -1) >= block) continue
    const what = 'its blocks up to this one were retired, and are not in the archives'
    findings.add('archive-missing', what, { chain, block })
  }
}

/** Holds what the trail says was archived against the archives that there are. */
export function checkRetired(
  retention: readonly Retention[],
  archives: readonly ReadManifest[],
  findings: FindingLog,
): void {
  const known = new Map(archives.map((archive) => [archive.hash, archive.manifest]))
  for (const { partition, to, manifests, state } of retention) {
    if (state !== 'retired') continue
    for (const hash of manifests) {
      const manifest = known.get(hash)
      if (manifest !== undefined && manifest.to_id === String(to)) continue
      const what = `the trail says that ${partition} is in the archive with the manifest ${hash}, and it is not there`
      findings.add('archive-missing', what, {})
    }
  }
}
