import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { dirname, join } from 'node:path'
import { AuditError } from '../../errors.js'
import type { Anchors } from '../../verify/anchors.js'
import type { IdRange } from '../../verify/source.js'
import type { FindingCode } from '../../verify/finding.js'
import { CSV_HEAD, rowCsv } from '../csv.js'
import { rowJson } from '../row.js'
import type { Trail } from '../trail.js'
import { Counter, type ExportManifest } from './manifest.js'

export interface ExportFinding {
  readonly code: Extract<FindingCode, `export-${string}`>
  readonly message: string
}

/**
 * Reads a manifest.
 *
 * @throws AuditError `AUDIT_EVIDENCE_MALFORMED` for what is not a manifest
 */
export function parseManifest(text: string): ExportManifest {
  const manifest = parsedJson(text)
  const { format, file, media_type, sha256, mark, filter, chains, first_audit_id, last_audit_id } = manifest
  const isId = (id: unknown): boolean => id === null || matches(id, /^-?\d{1,19}$/)
  const isManifest =
    format === 'otel-audit/export/v1' &&
    typeof file === 'string' &&
    matches(media_type, /^(text\/csv|application\/x-ndjson)$/) &&
    matches(sha256, /^[0-9a-f]{64}$/) &&
    matches(mark, /^\d{1,18}$/) &&
    isObject(filter) &&
    isId(first_audit_id) &&
    isId(last_audit_id) &&
    Array.isArray(chains) &&
    chains.every(isChain)
  if (!isManifest) throw malformed('it is not the manifest of an export')
  return manifest as unknown as ExportManifest
}

/** What the blocks of the export were when it was made: each stands for all before it, whose hashes lead to it. */
export function addAnchors(manifest: ExportManifest, anchors: Anchors): void {
  for (const { chain_id, log, last_block, last_block_hash } of manifest.chains) {
    anchors.add({
      log: log ?? undefined,
      chain: chain_id.replaceAll('-', ''),
      block: Number(last_block),
      hash: last_block_hash === null ? undefined : Buffer.from(last_block_hash, 'hex'),
    })
  }
}

/** The ids of the exported rows. */
export function idsOf({ first_audit_id, last_audit_id }: ExportManifest): IdRange {
  return { first: BigInt(last_audit_id ?? 0), last: BigInt(first_audit_id ?? 0) }
}

/** Whether the file beside the manifest is the one that was written. */
export async function checkFile(manifestPath: string, manifest: ExportManifest): Promise<ExportFinding[]> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    // Never a file of another directory, whatever the manifest says.
    const name = manifest.file.replaceAll(/.*[\\/]/g, '')
    for await (const chunk of createReadStream(join(dirname(manifestPath), name))) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    return [{ code: 'export-file', message: `the file cannot be read (${code})` }]
  }
  if (bytes !== manifest.bytes) {
    return [{ code: 'export-file', message: `the file has ${bytes} bytes, not ${manifest.bytes}` }]
  }
  const isSame = hash.digest('hex') === manifest.sha256
  return isSame ? [] : [{ code: 'export-file', message: 'the file has another SHA-256' }]
}

/**
 * Exports the same rows again, to nowhere, and compares what comes out: a set that does not change gives the same bytes.
 * It is the same set only in the database server that it was exported from.
 */
export async function checkRows(
  trail: Trail,
  manifest: ExportManifest,
  onRows: (count: number) => void,
): Promise<ExportFinding[]> {
  const isCsv = manifest.media_type === 'text/csv'
  const hash = createHash('sha256')
  if (isCsv) hash.update(CSV_HEAD)
  const counter = new Counter()
  for await (const { rows } of trail.pages({ ...manifest.filter, settled: manifest.mark })) {
    for (const row of rows) {
      hash.update(isCsv ? rowCsv(row) : `${rowJson(row)}\n`)
      counter.add(row)
    }
    onRows(rows.length)
  }
  const { chains, ...counts } = counter.tally
  const differing = Object.entries(counts)
    .filter(([name, count]) => !same(count, (manifest as unknown as Record<string, unknown>)[name]))
    .map(([name]) => name)
  const isSameChains = same(
    chains,
    manifest.chains.map(({ chain_id, first_block, last_block, rows }) => ({
      chain_id,
      first_block,
      last_block,
      rows,
    })),
  )
  if (!isSameChains) differing.push('chains')
  if (hash.digest('hex') !== manifest.sha256) differing.push('sha256')
  if (differing.length === 0) return []
  return [{ code: 'export-rows', message: `the same export gives another ${differing.join(', ')} now` }]
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function isChain(value: unknown): boolean {
  if (!isObject(value)) return false
  const { chain_id, log, last_block, last_block_hash } = value
  return (
    matches(chain_id, /^[0-9a-f-]{36}$/) &&
    (log === null || typeof log === 'string') &&
    matches(last_block, /^\d{1,15}$/) &&
    (last_block_hash === null || matches(last_block_hash, /^[0-9a-f]{64}$/))
  )
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function parsedJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch {
    // Said below.
  }
  throw malformed('it is not JSON')
}

function malformed(problem: string): AuditError {
  return new AuditError('AUDIT_EVIDENCE_MALFORMED', `the manifest: ${problem}`)
}
