import { JSON, performance, setTimeout } from '../../host/globals.js'
import type { DatabaseUrl } from '../../postgres/database-url.js'
import { visible, visibleJson, visibleLines } from '../../host/visible.js'
import { errorText } from '../../host/error-text.js'
import { stat } from 'node:fs/promises'
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
import type { Command } from 'commander'
import type { AuditSink } from '../../contract/sink.js'
import { AuditError } from '../../errors.js'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../exporter/exporter.js'
import type { AuditSettings } from '../../options/options.js'
import { resolveOptions } from '../../options/resolve.js'
import { serviceIdentity } from '../../otel/identity.js'
import { PostgresAuditSink } from '../../postgres/write/sink.js'
import { listSpools, type SpoolDirectoryReport } from '../../spool/directories/list.js'
import { openLmdbSpool } from '../../spool/lmdb/lmdb-spool.js'
import type { Spool } from '../../spool/spool.js'

interface DrainFlags {
  readonly directory?: string
  readonly databaseUrl?: string
  readonly schema?: string
  readonly patience: string
  readonly format: string
}

interface DrainOptions extends Omit<DurableAuditExporterOptions, 'sink' | 'lingerMs'> {
  /** How long nothing may get through before the rest is left where it is, in ms. */
  readonly patienceMs: number
  /** Told several times a second. */
  readonly onProgress: (drained: Drained) => void
}

interface Drained {
  /** Events that are in the trail now, those that were there already included. */
  readonly stored: number
  /** Events that the database refuses, and that were set aside. */
  readonly quarantined: number
  /** Events that still wait in the spool. */
  readonly left: number
  /** Why the database could not write last. */
  readonly fault: string | undefined
}

/** What is printed at the end. */
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

const LOOK_EVERY_MS = 100
const PROGRESS_EVERY_MS = 1000

export async function run(flags: DrainFlags, command: Command): Promise<void> {
  const { directory, databaseUrl, schema, patience, format } = flags
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  if (!/^\d{1,6}$/.test(patience))
    command.error(`--patience must be a whole number of seconds, not ${patience}`)
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
  complainOnStderr()
  const drained = await drain(settings, spoolDirectory, settings.databaseUrl, Number(patience) * 1000)
  const report = reportOf(drained, spoolDirectory, await listSpools(spoolDirectory))
  process.stdout.write(
    format === 'json' ? visibleJson(`${JSON.stringify(report, undefined, 2)}\n`) : readable(report),
  )
  if (!isEmpty(report)) process.exitCode = 1
}

async function drain(
  settings: AuditSettings,
  directory: string,
  databaseUrl: DatabaseUrl,
  patienceMs: number,
): Promise<Drained> {
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
      process.stderr.write(
        `${stored} of ${Math.max(total, stored + left)} events are stored${visible(why)}\n`,
      )
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
    return errorText(error)
  }
}

/** What the library says on its diagnostics logger: damage, entries that were set aside. */
function complainOnStderr(): void {
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
  { processes, damaged }: SpoolDirectoryReport,
): DrainReport {
  const dead = processes.filter(({ state }) => state === 'dead')
  const living = processes.filter(({ state }) => state !== 'dead')
  const left = dead.reduce((sum, { entries }) => sum + entries, 0)
  return {
    directory,
    stored,
    left,
    quarantined: dead.reduce((sum, { quarantined }) => sum + quarantined, 0),
    living: living.map(({ id, entries }) => ({ id, entries })),
    damaged: damaged.map(({ path, reason }) => `${path}: ${reason}`),
    problem: left > 0 ? (fault ?? 'other processes took events over, or new ones arrived meanwhile') : null,
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
    lines.push(`not touched: ${id} has ${entries} events, and its process is running`)
  }
  if (quarantined > 0)
    lines.push(`${quarantined} events are quarantined: \`otel-audit spool status\` shows why`)
  for (const path of damaged) lines.push(`damaged: ${path}`)
  if (isEmpty(report)) lines.push('Nothing is left.')
  return `${visibleLines(lines)}\n`
}

/**
 * Stores everything that waits in a spool: an exporter that nobody records with. Closes spool and sink.
 *
 * An entry leaves the disk only when its row is committed, so it may be ended at any moment, and run again.
 */
export async function drainSpool(spool: Spool, sink: AuditSink, options: DrainOptions): Promise<Drained> {
  const { patienceMs, onProgress, ...bounds } = options
  const exporter = new DurableAuditExporter({ ...bounds, sink, lingerMs: 0 })
  const settled = { stored: 0, quarantined: 0 }
  exporter.onSettled((_, fate) => {
    if (fate === 'stored' || fate === 'quarantined') settled[fate]++
  })
  const drained = (): Drained => ({
    ...settled,
    left: spool.status.entries,
    fault: exporter.lastFault?.message,
  })
  exporter.attachSpool(spool, 'overflow')
  for (let since = performance.now(), left = drained().left; left > 0; ) {
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    const now = drained()
    onProgress(now)
    if (now.left !== left) {
      since = performance.now()
      left = now.left
    } else if (performance.now() - since > patienceMs) break
  }
  const last = drained()
  await exporter.close(last.left > 0 ? 0 : patienceMs)
  return { ...drained(), fault: last.fault }
}
