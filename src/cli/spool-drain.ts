import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { AuditError } from '../errors.js'
import type { Drained } from './run/drain.js'
import type { SpoolDirectoryReport } from '../spool/directories/list.js'
import type { AuditSettings } from '../options/options.js'
import type { PostgresAuditSink } from '../postgres/write/sink.js'

interface DrainFlags {
  readonly directory?: string
  readonly databaseUrl?: string
  readonly schema?: string
  readonly patience: string
  readonly format: string
}

/** What is said at the end. */
interface DrainReport {
  readonly directory: string
  readonly stored: number
  /** What still waits of dead processes. */
  readonly left: number
  readonly quarantined: number
  /** What living processes have, which was left alone. */
  readonly living: readonly { readonly id: string; readonly entries: number }[]
  readonly damaged: readonly string[]
  /** Why something is left. */
  readonly problem: string | null
}

const PROGRESS_EVERY_MS = 1000

/** Adds `drain` to `otel-audit spool`. */
export function addDrainCommand(spool: Command): void {
  spool
    .command('drain')
    .description(
      'Store what dead processes left in the spool directory. What living ones have is left alone.',
    )
    .option('--directory <path>', 'the spool directory (default: $NOETL_SECRET_AUDIT_SPOOL_DIR)')
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option('--patience <seconds>', 'how long nothing may get through before the rest is left', '30')
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example, as the user and with the environment of the service that is gone:
  $ DATABASE_URL=postgres://orders@db.example/app otel-audit spool drain --directory /var/lib/orders/audit-spool

An event leaves the disk when its row is committed, and never before: drain may be ended, and run again, at any time.
Exit code: 0 nothing is left in the directory; 1 something is left, or could not be stored; 2 it could not run.`,
    )
    .action(runDrain)
}

async function runDrain(flags: DrainFlags, command: Command): Promise<void> {
  const { directory, databaseUrl, schema, patience, format } = flags
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  if (!/^\d{1,6}$/.test(patience))
    command.error(`--patience must be a whole number of seconds, not ${patience}`)
  const { resolveOptions } = await import('../options/resolve.js')
  const settings = resolveOptions({ spoolDirectory: directory, databaseUrl, schema }, process.env)
  const { spoolDirectory } = settings
  if (spoolDirectory === undefined) {
    command.error('no spool directory is given: set NOETL_SECRET_AUDIT_SPOOL_DIR, or use --directory')
  }
  if (settings.databaseUrl === undefined) {
    command.error('no database is given: set DATABASE_URL or NOETL_SECRET_AUDIT_DATABASE_URL')
  }
  // Opening would make it.
  if (!(await isDirectory(spoolDirectory))) command.error(`there is no directory ${spoolDirectory}`)
  await complainOnStderr()
  const drained = await drain(settings, spoolDirectory, settings.databaseUrl, Number(patience) * 1000)
  const { listSpools } = await import('../spool/directories/list.js')
  const report = reportOf(drained, spoolDirectory, await listSpools(spoolDirectory))
  process.stdout.write(format === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : readable(report))
  if (!isEmpty(report)) process.exitCode = 1
}

async function drain(
  settings: AuditSettings,
  directory: string,
  databaseUrl: string,
  patienceMs: number,
): Promise<Drained> {
  const { openLmdbSpool } = await import('../spool/lmdb/lmdb-spool.js')
  const { PostgresAuditSink } = await import('../postgres/write/sink.js')
  const { drainSpool } = await import('./run/drain.js')
  const { serviceIdentity } = await import('../otel/identity.js')
  const spool = await openLmdbSpool({ directory, maxBytes: settings.spoolBytes })
  const total = spool.status.entries
  const sink = new PostgresAuditSink({ ...settings, databaseUrl, applicationName: 'otel-audit drain' })
  const unfit = await whyUnfit(sink)
  if (unfit !== undefined) {
    await Promise.all([spool.close(), sink.close()])
    return { stored: 0, quarantined: 0, left: total, fault: unfit }
  }
  let said = performance.now()
  return drainSpool(spool, sink, {
    ...settings,
    identity: serviceIdentity(settings, process.env),
    patienceMs,
    onProgress: ({ stored, left, fault }) => {
      if (performance.now() - said < PROGRESS_EVERY_MS) return
      said = performance.now()
      const why = fault === undefined ? '' : `: ${fault}`
      process.stderr.write(`${stored} of ${Math.max(total, stored + left)} events are stored${why}\n`)
    },
  })
}

/**
 * Why events must not leave the disk for this database: it would not keep them, or cannot take them. One that is away
 * may come back, which is waited for.
 */
async function whyUnfit(sink: PostgresAuditSink): Promise<string | undefined> {
  try {
    const findings = await sink.check()
    return findings.find(({ level, check }) => level === 'error' && check !== 'clock')?.message
  } catch (error) {
    if (error instanceof AuditError && error.code === 'AUDIT_UNAVAILABLE') return undefined
    return error instanceof Error ? error.message : String(error)
  }
}

/** What the library says on its diagnostics logger: damage, entries that were set aside. */
async function complainOnStderr(): Promise<void> {
  const { diag, DiagConsoleLogger, DiagLogLevel } = await import('@opentelemetry/api')
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ERROR)
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

function reportOf(
  { stored, fault }: Drained,
  directory: string,
  { homes, damaged }: SpoolDirectoryReport,
): DrainReport {
  const dead = homes.filter(({ owner }) => owner === 'dead')
  const living = homes.filter(({ owner }) => owner !== 'dead')
  const left = dead.reduce((sum, { entries }) => sum + entries, 0)
  return {
    directory,
    stored,
    left,
    quarantined: dead.reduce((sum, { quarantined }) => sum + quarantined, 0),
    living: living.map(({ id, entries }) => ({ id, entries })),
    damaged: damaged.map(({ path, reason }) => `${path}: ${reason}`),
    problem: left > 0 ? (fault ?? 'other processes took it over, or it came meanwhile') : null,
  }
}

function isEmpty({ left, quarantined, living, damaged }: DrainReport): boolean {
  return (
    left === 0 && quarantined === 0 && damaged.length === 0 && living.every(({ entries }) => entries === 0)
  )
}

function readable(report: DrainReport): string {
  const { stored, left, quarantined, living, damaged, problem } = report
  const lines = [`${stored} events are stored.`]
  if (left > 0) lines.push(`${left} events are left on disk: ${problem}`)
  for (const { id, entries } of living) {
    lines.push(`left alone: ${id}, whose process lives, has ${entries} events`)
  }
  if (quarantined > 0)
    lines.push(`${quarantined} events are quarantined: \`otel-audit spool status\` says why`)
  for (const path of damaged) lines.push(`damaged: ${path}`)
  if (isEmpty(report)) lines.push('Nothing is left.')
  return `${lines.join('\n')}\n`
}
