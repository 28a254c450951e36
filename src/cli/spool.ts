import type { Command } from 'commander'
import { addDrainCommand } from './spool-drain.js'
import type { SpoolDirectoryReport, ProcessReport } from '../spool/directories/list.js'

interface StatusFlags {
  readonly directory?: string
  readonly format: string
}

/** Adds `otel-audit spool`. */
export function addSpoolCommand(program: Command): void {
  const spool = program
    .command('spool')
    .description('Look at what waits on disk for the database, and store it.')
  spool
    .command('status')
    .description('Say what each process has in the spool directory, or had when it died. Changes nothing.')
    .option('--directory <path>', 'the spool directory (default: $NOETL_SECRET_AUDIT_SPOOL_DIR)')
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example:
  $ otel-audit spool status --directory /var/lib/orders/audit-spool

What dead processes left is taken over and stored by the next one that starts with this directory, or by
\`otel-audit spool drain\`.
Exit code: 0 done, also when there is something; 1 the directory cannot be read; 2 usage.`,
    )
    .action(runStatus)
  addDrainCommand(spool)
}

async function runStatus({ directory, format }: StatusFlags, command: Command): Promise<void> {
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  const { resolveOptions } = await import('../options/resolve.js')
  const { spoolDirectory } = resolveOptions({ spoolDirectory: directory }, process.env)
  if (spoolDirectory === undefined) {
    command.error('no spool directory is given: set NOETL_SECRET_AUDIT_SPOOL_DIR, or use --directory')
  }
  const { listSpools } = await import('../spool/directories/list.js')
  const report = await listSpools(spoolDirectory).catch((cause: unknown) => {
    const code = String((cause as { code?: unknown }).code)
    throw new Error(
      `${spoolDirectory} cannot be read (${code}): name the spool directory of the service (NOETL_SECRET_AUDIT_SPOOL_DIR, --directory), and run this as its user`,
      { cause },
    )
  })
  if (report.processes.length + report.damaged.length === 0) await warnOfForeign(spoolDirectory)
  process.stdout.write(format === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : readable(report))
}

/** An empty report of the wrong directory would look like good news. */
async function warnOfForeign(directory: string): Promise<void> {
  const { readdir } = await import('node:fs/promises')
  const others = (await readdir(directory)).filter((name) => !name.startsWith('.'))
  if (others.length === 0) return
  process.stderr.write(
    `${directory} has other things in it, and nothing of a spool: is it the directory of the service?\n`,
  )
}

function readable({ processes, damaged }: SpoolDirectoryReport): string {
  const lines = processes.length === 0 ? ['No process has anything here.'] : processes.flatMap(described)
  for (const { path, reason } of damaged) lines.push(`damaged  ${path}: ${reason}`)
  return `${lines.join('\n')}\n`
}

function described(report: ProcessReport): string[] {
  const { id, state, entries, bytes, oldest, quarantine, quarantined, problems } = report
  const since = oldest === null ? '' : `, the oldest of ${new Date(oldest / 1000).toISOString()}`
  const aside = quarantined === 0 ? '' : `; ${quarantined} quarantined`
  return [
    `${state.padEnd(7)}  ${id}: ${entries} events, ${bytes} bytes${since}${aside}`,
    ...quarantine.map(({ reason }) => `         quarantined: ${reason}`),
    ...problems.map((problem) => `         cannot be read: ${problem}`),
  ]
}
