import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addArchiveFlag, addFilterFlags, addReadFlags } from './read-flags.js'

/** Adds `otel-audit export`. */
export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .description(
      'Write all rows that match a filter to a file, newest first, with a manifest; or to standard output.',
    )
  addArchiveFlag(addReadFlags(addFilterFlags(command, ['limit', 'cursor'])))
    .option(
      '--output <file>',
      'the file; its manifest is <file>.manifest.json (default: standard output, no manifest)',
    )
    .option('--resume', 'continue an interrupted export to this file')
    .option('--format <format>', 'ndjson, csv, ocsf or ecs', 'ndjson')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit export --credential 'payments-*' --from 2026-07-01 --to 2026-10-01 --output q3.ndjson
  $ otel-audit export --credential 'payments-*' --from 2026-07-01 --to 2026-10-01 --output q3.ndjson --resume
  $ otel-audit export --execution-id 7216413337829376 --format csv > incident.csv

The set of rows is fixed at the start: those of transactions older than every one that is running then. NDJSON is
exact; ocsf (API Activity) and ecs are NDJSON for a SIEM; in CSV, text that a spreadsheet could execute is prefixed with an apostrophe. The start and the end of an export
are recorded in the trail, the end with the SHA-256 of the file.
Exit code: 0 done, 1 failed, 2 usage, 3 interrupted, and can be resumed.`,
    )
    .action(lazily(() => import('./run/export.js')))
}
