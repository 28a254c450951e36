import { JSON } from '../../host/globals.js'
import { visibleJson, visibleLines } from '../../host/visible.js'
import { readdir } from 'node:fs/promises'
import type { Command } from 'commander'
import { resolveOptions } from '../../options/resolve.js'
import { listSpools, type SpoolDirectoryReport, type ProcessReport } from '../../spool/directories/list.js'

interface StatusFlags {
  readonly directory?: string
  readonly format: string
}

export async function run({ directory, format }: StatusFlags, command: Command): Promise<void> {
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  const { spoolDirectory } = resolveOptions({ spoolDirectory: directory }, process.env)
  if (spoolDirectory === undefined) {
    command.error('no spool directory is given: set NOETL_SECRET_AUDIT_SPOOL_DIR, or use --directory')
  }
  const report = await listSpools(spoolDirectory).catch((cause: unknown) => {
    const code = String((cause as { code?: unknown }).code)
    throw new Error(
      `${spoolDirectory} cannot be read (${code}): name the spool directory of the service (NOETL_SECRET_AUDIT_SPOOL_DIR, --directory), and run this as its user`,
      { cause },
    )
  })
  if (report.processes.length + report.damaged.length === 0) await warnOfForeign(spoolDirectory)
  process.stdout.write(
    format === 'json' ? visibleJson(`${JSON.stringify(report, undefined, 2)}\n`) : readable(report),
  )
}

/** An empty report of the wrong directory would look like good news. */
async function warnOfForeign(directory: string): Promise<void> {
  const others = (await readdir(directory)).filter((name) => !name.startsWith('.'))
  if (others.length === 0) return
  process.stderr.write(
    `${directory} contains other files and no spool: is it the spool directory of the service?\n`,
  )
}

function readable({ processes, damaged }: SpoolDirectoryReport): string {
  const lines = processes.length === 0 ? ['The spool directory is empty.'] : processes.flatMap(described)
  for (const { path, reason } of damaged) lines.push(`damaged  ${path}: ${reason}`)
  return `${visibleLines(lines)}\n`
}

function described(report: ProcessReport): string[] {
  const { id, state, entries, bytes, oldest, quarantine, quarantined, problems } = report
  const since = oldest === null ? '' : `, oldest from ${new Date(oldest / 1000).toISOString()}`
  const aside = quarantined === 0 ? '' : `; ${quarantined} quarantined`
  return [
    `${state.padEnd(7)}  ${id}: ${entries} events, ${bytes} bytes${since}${aside}`,
    ...quarantine.map(({ reason }) => `         quarantined: ${reason}`),
    ...problems.map((problem) => `         cannot be read: ${problem}`),
  ]
}
