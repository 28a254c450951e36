import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addArchiveFlag, addFilterFlags, addReadFlags } from './read-flags.js'

/** Adds `otel-audit query`. */
export function addQueryCommand(program: Command): void {
  const command = program
    .command('query')
    .description('Show who accessed what, when, on which execution, and how it ended. Newest first.')
  addArchiveFlag(addReadFlags(addFilterFlags(command)))
    .option(
      '--format <format>',
      'table, json, ndjson or csv (default: table on a terminal, ndjson in a pipe)',
    )
    .option('--exit-code', 'exit with 3 when there are rows, for scripts that expect none')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit query --credential orders-db --from 2026-07-01 --to 2026-10-01
  $ otel-audit query --execution-id 7216413337829376 --format json
  $ otel-audit query --outcome not-ok --from -1h --exit-code || echo "an access was denied"

Each read is recorded in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage, 3 there are rows (with --exit-code).`,
    )
    .action(lazily(() => import('./run/query.js')))
}
