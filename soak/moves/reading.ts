import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import type { ExportManifest } from '../../src/query/export/manifest.js'
import { otelAudit, type Place, tail } from './command-line.js'

export interface Exported {
  readonly manifestFile: string
  readonly ids: readonly string[]
  readonly text: string
  readonly manifest: ExportManifest
  readonly stderr: string
}

/** Everything, written to a file. */
export async function exported(place: Place, directory: string, name: string): Promise<Exported> {
  const file = join(directory, `${name}.ndjson`)
  const { code, stderr } = await otelAudit(['export', '--unrecorded', '--output', file], place)
  equal(code, 0, stderr)
  const manifestFile = `${file}.manifest.json`
  const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as ExportManifest
  const text = await readFile(file, 'utf8')
  return { manifestFile, manifest, text, stderr, ids: idsOf(text) }
}

/** What is in the table, read without the library: ids and digests, in their order. */
export async function stored({ url, schema }: Place): Promise<readonly string[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ row: string }>(
    `select concat_ws(' ', audit_id, encode(event_digest, 'hex'), chain_id, block_no, block_index) as row
     from "${schema}".secret_audit order by audit_id`,
  )
  await client.end()
  return rows.map(({ row }) => row)
}

export interface Verified {
  readonly code: number | null
  readonly report: {
    readonly result: string
    readonly findings: Readonly<Record<string, number>>
    readonly rows: { readonly proven: number; readonly unsigned: number }
    readonly foreign: number
    readonly anchors: { readonly given: number; readonly held: number; readonly unreadable: number }
    readonly chains: { readonly total: number; readonly unenrolled: number }
  }
}

export async function verified(place: Place, args: readonly string[]): Promise<Verified> {
  const { code, stdout, stderr } = await otelAudit(['verify', '--format', 'json', ...args], place)
  ok(stdout.startsWith('{'), `verify: ${code} ${stderr}`)
  return { code, report: JSON.parse(stdout) as Verified['report'] }
}

/** Nothing found, and all of it proven. */
export async function expectProven(
  place: Place,
  args: readonly string[],
  expected: { readonly proven: number; readonly unsigned: number; readonly foreign: number },
): Promise<void> {
  const { code, report } = await verified(place, args)
  const { proven, unsigned } = report.rows
  deepEqual(
    { code, findings: report.findings, proven, unsigned, foreign: report.foreign },
    { code: 0, findings: {}, ...expected },
  )
  equal(report.chains.unenrolled, 0)
  ok(report.anchors.given > 0 && report.anchors.held === report.anchors.given, JSON.stringify(report.anchors))
  equal(report.anchors.unreadable, 0)
}

/** The mark that a `tail` ends with. */
export async function markAt(place: Place): Promise<string> {
  return markIn(await tail(['--lines', '0'], place, 0))
}

export function markIn({ code, stderr }: { readonly code: number | null; readonly stderr: string }): string {
  equal(code, 0, stderr)
  match(stderr, /add --since \S+\n/)
  return /add --since (\S+)\n/.exec(stderr)?.[1] ?? ''
}

export function idsOf(ndjson: string): string[] {
  return ndjson
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { audit_id: string }).audit_id)
}
