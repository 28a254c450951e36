import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { signNote } from '../../chain/note.js'
import type { NoteSigner } from '../../chain/note-key.js'
import { AuditError } from '../../errors.js'
import { formatTime } from '../../event/time.js'
import { JSON } from '../../host/globals.js'
import { visibleLines } from '../../host/visible.js'
import type { Snapshot } from '../../postgres/read/snapshot.js'
import {
  BUNDLE_FILES,
  BUNDLE_FORMAT,
  type BundleFile,
  type BundleManifest,
  MANIFEST,
  SIGNATURE,
  signedText,
} from '../../query/bundle/bundle-manifest.js'
import { bundleReadme } from '../../query/bundle/bundle-readme.js'
import { coverageOf, coverageText } from '../../query/bundle/check-bundle-rows.js'
import { exportToFile } from '../../query/export/export-file.js'
import type { ExportManifest } from '../../query/export/manifest.js'
import type { TrailFilter } from '../../query/filter.js'
import type { Trail } from '../../query/trail.js'
import type { Anchors } from '../../verify/anchors.js'
import type { Trust } from '../../verify/trust.js'
import { VERSION } from '../../version.js'
import { Context, contextWindow, rowsOfFile } from './evidence-context.js'
import { writeProofs } from './evidence-proofs.js'
import { verifyForEvidence } from './evidence-verify.js'
import {
  describedFiles,
  fileOf,
  makeDirectory,
  refuseExistingDirectory,
  writeInto,
} from './output-directory.js'
import { whoami } from './read-session.js'

/** Proofs of more are nothing that anybody reads, and would hold a snapshot for hours. */
const MOST_ROWS = 100_000

export interface BundleRequest {
  readonly trail: Trail
  readonly open: () => Promise<Snapshot>
  readonly incident: string
  readonly directory: string
  readonly filter: TrailFilter
  readonly trust: Trust
  readonly trustSha256: string | null
  readonly anchors: Anchors
  readonly signer: NoteSigner | undefined
  /** Told when everything is written, before the directory has its name. */
  readonly onMade: (manifestSha256: string, rows: number) => Promise<void>
}

export interface MadeBundle {
  readonly text: string
  /** The trail does not verify, or a row could not be proven. */
  readonly hasFindings: boolean
}

/**
 * Makes a bundle, beside its place until it is whole. Rows come by way of an export, whose file is then held against the
 * trail while that is verified, in one snapshot; and from the same snapshot come the proofs.
 *
 * @throws AuditError `AUDIT_EXPORT` when the directory is there already or cannot be written, or for too many rows
 */
export async function makeBundle(request: BundleRequest): Promise<MadeBundle> {
  const draft = `${request.directory}.part`
  await refuseExistingDirectory(request.directory)
  await makeDirectory(draft)
  try {
    const { manifest, sha256 } = await fill(draft, request)
    await request.onMade(sha256, manifest.rows)
    await rename(draft, request.directory)
    return {
      text: summaryOf(request.directory, manifest, sha256, request.signer),
      hasFindings: isWrong(manifest),
    }
  } catch (error) {
    // Ours alone: it was made above.
    await rm(draft, { recursive: true, force: true })
    throw error
  }
}

interface Filled {
  readonly manifest: BundleManifest
  readonly sha256: string
}

async function fill(directory: string, request: BundleRequest): Promise<Filled> {
  const { trail, open, filter, trust, anchors, signer } = request
  const exported = await exportOf(trail, directory, filter)
  const rows = await rowsOfFile(directory)
  const window = contextWindow(exported.filter, rows)
  const reader = await open()
  try {
    const context = new Context(window, rows.services, BigInt(exported.mark))
    const verified = await verifyForEvidence(reader, { directory, trust, anchors, window, context })
    await writeInto(directory, 'context.ndjson', context.text)
    const ids = [...rows.ids, ...context.ids]
    const proofs = await writeProofs(directory, reader, ids)
    const coverage = window === null ? undefined : coverageOf(window)
    for (const event of context.events) coverage?.add(event)
    await writeInto(directory, 'coverage.json', coverageText(coverage))
    await writeInto(directory, 'verify.json', `${JSON.stringify(verified.report, undefined, 2)}\n`)
    const said = {
      format: BUNDLE_FORMAT,
      version: VERSION,
      incident: request.incident,
      made_at: formatTime(reader.now),
      made_by: whoami().actorId,
      trail: await reader.trail(),
      filter: exported.filter,
      window,
      rows: rows.ids.length,
      context_rows: context.ids.length,
      proofs: proofs.written,
      unproven: proofs.unproven,
      verification: { result: verified.report.result, findings: verified.report.findings },
      trust_sha256: request.trustSha256,
    } as const
    await writeInto(directory, 'README.txt', bundleReadme(said, { isSigned: signer !== undefined }))
    return await sealed(directory, said, signer)
  } finally {
    await reader.close()
  }
}

async function exportOf(trail: Trail, directory: string, filter: TrailFilter): Promise<ExportManifest> {
  const file = join(directory, 'rows.ndjson')
  const stop = new AbortController()
  let rows = 0
  const onRows = (count: number): void => {
    rows += count
    if (rows > MOST_ROWS) stop.abort()
  }
  const options = { file, format: 'ndjson', filter, resume: false, signal: stop.signal, onRows } as const
  const { manifest } = await exportToFile(trail, options)
  if (manifest !== undefined && manifest.rows <= MOST_ROWS) return manifest
  throw new AuditError(
    'AUDIT_EXPORT',
    `the filter has more than ${MOST_ROWS} rows: narrow it, or export them`,
    {
      remedy: 'Use otel-audit export for the rows, and otel-audit verify --row for proofs of a few of them.',
    },
  )
}

/** With the hash of every file, and signed where there is a key. */
async function sealed(
  directory: string,
  said: Omit<BundleManifest, 'files'>,
  signer: NoteSigner | undefined,
): Promise<Filled> {
  const files: readonly BundleFile[] = await describedFiles(directory, Object.keys(BUNDLE_FILES))
  const manifest: BundleManifest = { ...said, files }
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  const { sha256 } = fileOf(MANIFEST, text)
  await writeInto(directory, MANIFEST, text)
  if (signer !== undefined) {
    await writeInto(directory, SIGNATURE, signNote(signedText(manifest, sha256), signer))
  }
  return { manifest, sha256 }
}

function isWrong({ verification, unproven }: BundleManifest): boolean {
  return (
    Object.keys(verification.findings).length > 0 || unproven.some(({ why }) => why !== 'it has no block')
  )
}

function summaryOf(
  directory: string,
  manifest: BundleManifest,
  sha256: string,
  signer: NoteSigner | undefined,
): string {
  const { incident, rows, context_rows, proofs, unproven, verification } = manifest
  const found = Object.entries(verification.findings).map(([code, count]) => `${count} ${code}`)
  return visibleLines([
    `evidence   ${incident}: ${rows} rows, ${context_rows} rows of context, ${proofs} proofs, ${unproven.length} without one`,
    `verified   ${verification.result}${found.length > 0 ? `: ${found.join(', ')}` : ''}`,
    `signed     ${signer === undefined ? 'no: there is no --key' : `by ${signer.verifierKey}`}`,
    `written    ${directory}`,
    `sha256     ${sha256} ${MANIFEST}`,
    '',
  ])
}
