import type { Command } from 'commander'
import type { IdRange } from '../verify/source.js'
import type { ExportCheck } from './export-check.js'
import type { VerifyFormat } from './verify-output.js'

interface VerifyFlags {
  readonly trust?: string
  readonly anchors?: string
  readonly from?: string
  readonly to?: string
  readonly chain?: string
  readonly row?: string
  readonly proof?: string
  readonly manifest?: string
  readonly format?: string
  readonly readerUrl?: string
  readonly databaseUrl?: string
  readonly schema?: string
}

const EXIT_FINDINGS = 1
const EXIT_NOT_CHECKED = 2

/** Adds `otel-audit verify`. */
export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description(
      'Prove that nothing was changed, removed or put in afterwards. Reads one snapshot as the reader role, and needs public keys only.',
    )
    .option('--trust <file>', 'what you know by yourself: origin, enrolment keys, what unsigned rows mean')
    .option(
      '--anchors <file>',
      'blocks as traces or logs have them: OTLP/JSON, or signed notes. Of several logs: only with an origin in the trust file',
    )
    .option('--from <id|time>', 'rows from this audit id, or ISO 8601 time, on')
    .option('--to <id|time>', 'rows up to this audit id, or ISO 8601 time')
    .option('--chain <id>', 'one chain only')
    .option('--row <audit-id>', 'export this row with its proof, to the file of --proof')
    .option('--proof <file>', 'with --row: where to; alone: check that file, without a database')
    .option(
      '--manifest <file>',
      'an export, by its manifest: the file, its rows, and the blocks that they are in',
    )
    .option('--format <format>', 'table, json or ndjson (default: table on a terminal, else ndjson)')
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--reader-url <url>',
      'the database, as a login with the reader role (default: $NOETL_SECRET_AUDIT_READER_URL, else --database-url)',
    )
    .option(
      '--database-url <url>',
      'the database where no reader URL is given (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit verify --trust audit.trust --anchors traces.jsonl
  $ otel-audit verify --from 2026-11-01 --to 2026-11-30T23:59:59Z --format json
  $ otel-audit verify --row 384299930694800793 --proof row.json
  $ otel-audit verify --trust audit.trust --proof row.json       # offline
  $ otel-audit verify --trust audit.trust --manifest incident.ndjson.manifest.json

What is found, and what was looked at, goes to standard output; progress to standard error.
Exit code: 0 nothing found, 1 something found, 2 it could not be checked, or not by all of the anchors.`,
    )
    .action(runVerify)
}

/** Whatever goes wrong here means that nothing was verified: it must not look like a finding. */
async function runVerify(flags: VerifyFlags, command: Command): Promise<void> {
  try {
    process.exitCode = await verifyBy(flags, command)
  } catch (error) {
    const { AuditError } = await import('../errors.js')
    const { CommanderError } = await import('commander')
    if (error instanceof CommanderError) throw error
    const isKnown = error instanceof AuditError
    process.stderr.write(
      isKnown ? `${error.message}\n${error.remedy}\n` : `otel-audit failed: ${textOf(error)}\n`,
    )
    process.exitCode = EXIT_NOT_CHECKED
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function verifyBy(flags: VerifyFlags, command: Command): Promise<number> {
  const { trustFrom, anchorsFrom } = await import('./verify-input.js')
  const trust = await trustFrom(flags.trust)
  if (flags.proof !== undefined && flags.row === undefined) {
    const { checkProofFile } = await import('./proof-file.js')
    const format = flags.format === undefined ? 'table' : formatOf(flags, command)
    return (await checkProofFile(flags.proof, trust, format)) ? 0 : EXIT_FINDINGS
  }
  if (flags.row !== undefined && flags.proof === undefined) command.error('--row needs --proof FILE')
  const chain = chainOf(flags, command)
  const range = rangeOf(flags, command)
  const format = formatOf(flags, command)
  const { anchors, lines } = await anchorsFrom(flags.anchors)
  const exported = await exportOf(flags, command)
  exported?.addAnchors(anchors)
  const ids = exported?.ids ?? range
  const { Snapshot } = await import('../postgres/read/snapshot.js')
  const database = await databaseOf(flags)
  const reader = await Snapshot.open(database).catch(async (error: unknown) => {
    throw await explained(error, database.schema)
  })
  try {
    if (flags.row !== undefined && flags.proof !== undefined) {
      const { writeProofFile } = await import('./proof-file.js')
      if (!/^\d{1,19}$/.test(flags.row)) command.error('--row takes an audit id')
      await writeProofFile(reader, BigInt(flags.row), flags.proof)
      return 0
    }
    const { verify } = await import('../verify/verify.js')
    const { VerifyOutput } = await import('./verify-output.js')
    const output = new VerifyOutput(format, reader.now)
    const found = (await exported?.check(database)) ?? []
    for (const finding of found) output.finding(finding)
    const report = await verify(reader, {
      trust,
      anchors,
      selection: { chain, ids },
      onFinding: (finding) => output.finding(finding),
      onProgress: (progress) => output.progress(progress),
    })
    const findings = new Map([...found.map(({ code }) => [code, 1] as const), ...report.findings])
    output.report({ ...report, findings }, trust, lines)
    if (findings.size > 0) return EXIT_FINDINGS
    return report.unread.count > 0 ? EXIT_NOT_CHECKED : 0
  } finally {
    await reader.close()
  }
}

async function exportOf(flags: VerifyFlags, command: Command): Promise<ExportCheck | undefined> {
  const { manifest, from, to, chain, row } = flags
  if (manifest === undefined) return undefined
  if ([from, to, chain, row].some((flag) => flag !== undefined)) {
    command.error('--manifest says which rows: it goes with --trust and --anchors only')
  }
  const { ExportCheck } = await import('./export-check.js')
  return ExportCheck.open(manifest)
}

/** A missing right is that of a reader here; the sink, which opens the trail, speaks to writers. */
async function explained(error: unknown, schema: string): Promise<unknown> {
  const { INSUFFICIENT_PRIVILEGE, mayNotRead } = await import('../postgres/read/pool.js')
  const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
  return code === INSUFFICIENT_PRIVILEGE ? mayNotRead(schema, (error as Error).cause) : error
}

/** Where `query` and `export` read, too. */
async function databaseOf({
  readerUrl,
  databaseUrl,
  schema,
}: VerifyFlags): Promise<{ databaseUrl: string; schema: string }> {
  const { resolveReadOptions } = await import('../options/resolve.js')
  const settings = resolveReadOptions({ readerUrl, databaseUrl, schema }, process.env)
  const url = settings.readerUrl ?? settings.databaseUrl
  if (url !== undefined) return { databaseUrl: url, schema: settings.schema }
  const { AuditError } = await import('../errors.js')
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'no database is given: set NOETL_SECRET_AUDIT_READER_URL or DATABASE_URL, or use --reader-url or --database-url',
    { field: 'databaseUrl' },
  )
}

function chainOf({ chain }: VerifyFlags, command: Command): string | undefined {
  if (chain === undefined) return undefined
  const id = chain.replaceAll('-', '').toLowerCase()
  if (!/^[0-9a-f]{32}$/.test(id)) command.error('--chain takes 32 hex digits')
  return id
}

function formatOf({ format }: VerifyFlags, command: Command): VerifyFormat {
  if (format === undefined) return process.stdout.isTTY ? 'table' : 'ndjson'
  if (format !== 'table' && format !== 'json' && format !== 'ndjson') {
    command.error(`--format must be table, json or ndjson, not ${format}`)
  }
  return format
}

/** Ids have their millisecond in them, so a time is a range of ids. */
function rangeOf({ from, to }: VerifyFlags, command: Command): IdRange | undefined {
  if (from === undefined && to === undefined) return undefined
  const first = from === undefined ? 0n : idOf(from, 0n)
  const last = to === undefined ? 2n ** 63n - 1n : idOf(to, 2n ** 22n - 1n)
  if (first === undefined || last === undefined) {
    command.error('--from and --to take an audit id, or an ISO 8601 time')
  }
  if (first > last) command.error('--from is after --to')
  return { first, last }
}

const SNOWFLAKE_EPOCH_MS = 1_704_067_200_000

function idOf(text: string, lowerBits: bigint): bigint | undefined {
  if (/^\d{10,19}$/.test(text) || /^\d{1,3}$/.test(text)) return BigInt(text)
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isFinite(ms)) return undefined
  return (BigInt(Math.max(0, ms - SNOWFLAKE_EPOCH_MS)) << 22n) | lowerBits
}
