import { AuditError } from '../../errors.js'
import { JSON } from '../../host/globals.js'
import { visible } from '../../host/visible.js'

export const BUNDLE_FORMAT = 'otel-audit/evidence/v1'

/** Of the manifest itself, and of the note that signs it. */
export const MANIFEST = 'manifest.json'
export const SIGNATURE = 'manifest.note'

/** Every file of a bundle that a manifest names, with what it has. */
export const BUNDLE_FILES = Object.freeze({
  'README.txt': 'what the bundle proves, and what it does not',
  'rows.ndjson': 'the rows of the incident, newest first',
  'rows.ndjson.manifest.json': 'what the rows are: filter, counts, chains',
  'context.ndjson': 'rows of the processes about themselves: coverage, starts and stops, lost events',
  'proofs.ndjson': 'a proof of each row, in the order of the rows',
  'notes.txt': 'the signed notes of the blocks that the proofs name',
  'coverage.json': 'which secret clients were audited at the time',
  'verify.json': 'what the verification of the trail found when the bundle was made',
})

export type BundleFileName = keyof typeof BUNDLE_FILES

export interface BundleFile {
  readonly name: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** A row that is in the bundle without a proof. */
export interface UnprovenRow {
  readonly audit_id: string
  readonly why: string
}

export interface BundleManifest {
  readonly format: typeof BUNDLE_FORMAT
  readonly version: string
  readonly incident: string
  readonly made_at: string
  readonly made_by: string
  /** The trail that was read, 32 hex digits. */
  readonly trail: string
  /** Which rows were asked for, the times resolved. */
  readonly filter: Readonly<Record<string, unknown>>
  /** What the context is of: RFC 3339, the end exclusive; `null` when there was nothing to take it from. */
  readonly window: { readonly from: string; readonly to: string } | null
  readonly rows: number
  readonly context_rows: number
  readonly proofs: number
  /** Rows without a block, and rows whose block does not prove them. */
  readonly unproven: readonly UnprovenRow[]
  readonly verification: { readonly result: string; readonly findings: Readonly<Record<string, number>> }
  /** SHA-256 of the trust file that was used, lower-case hex; `null` without one. */
  readonly trust_sha256: string | null
  readonly files: readonly BundleFile[]
}

/** The text that a key of the operator signs: it stands for the whole bundle. */
export function signedText({ incident, made_at }: BundleManifest, manifestSha256: string): string {
  return [
    BUNDLE_FORMAT,
    `manifest ${manifestSha256}`,
    `made ${made_at}`,
    `incident ${visible(incident)}`,
    '',
  ].join('\n')
}

/** @throws AuditError `AUDIT_EVIDENCE_MALFORMED` for what is not the manifest of a bundle */
export function parseBundleManifest(text: string): BundleManifest {
  const manifest = parsed(text)
  const { format, incident, made_at, filter, files, unproven, rows, context_rows, proofs } = manifest
  const isManifest =
    format === BUNDLE_FORMAT &&
    typeof incident === 'string' &&
    typeof made_at === 'string' &&
    isObject(filter) &&
    isObject(manifest['verification']) &&
    [rows, context_rows, proofs].every(Number.isSafeInteger) &&
    Array.isArray(files) &&
    files.every(isFile) &&
    Array.isArray(unproven) &&
    unproven.every(isUnproven) &&
    isWindow(manifest['window'])
  if (!isManifest) throw malformed('it is not the manifest of a bundle of evidence')
  return manifest as unknown as BundleManifest
}

/** Never a file of another directory, whatever the manifest says. */
function isFile(value: unknown): boolean {
  if (!isObject(value)) return false
  const { name, bytes, sha256 } = value
  return (
    typeof name === 'string' &&
    Object.hasOwn(BUNDLE_FILES, name) &&
    Number.isSafeInteger(bytes) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  )
}

function isUnproven(value: unknown): boolean {
  if (!isObject(value)) return false
  const { audit_id, why } = value
  return typeof audit_id === 'string' && /^-?\d{1,19}$/.test(audit_id) && typeof why === 'string'
}

function isWindow(value: unknown): boolean {
  if (value === null) return true
  return isObject(value) && typeof value['from'] === 'string' && typeof value['to'] === 'string'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch {
    // Said below.
  }
  throw malformed('it is not JSON')
}

function malformed(problem: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `the manifest of the bundle: ${problem}`)
}
