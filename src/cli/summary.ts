import type { Command } from 'commander'
import { SUMMARY_BY } from '../query/summary.js'
import { lazily } from './lazily.js'
import { addArchiveFlag, addFilterFlags, addReadFlags } from './read-flags.js'

/** Adds `otel-audit summary`. */
export function addSummaryCommand(program: Command): void {
  const command = program
    .command('summary')
    .description(
      'Per credential or another column: accesses, denials, distinct workers and actors, first and last access.',
    )
  addArchiveFlag(addReadFlags(addFilterFlags(command, ['cursor'])))
    .option(
      '--by <column>',
      `the column to group by: ${SUMMARY_BY.slice(0, -1).join(', ')} or ${SUMMARY_BY.at(-1)}`,
      'credential',
    )
    .option(
      '--format <format>',
      'table, json, ndjson or csv (default: table on a terminal, ndjson in a pipe)',
    )
    .addHelpText(
      'after',
      `
Examples, the access review of a quarter, and who it was:
  $ otel-audit summary --from 2026-07-01 --to 2026-10-01 --limit 1000
  $ otel-audit summary --from 2026-07-01 --to 2026-10-01 --credential orders-db --by actor_id

Covers the last 30 days unless --from and --to say otherwise, without the rows that the trail writes about itself.
--limit is the number of groups. Each read is recorded in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/summary.js')))
}
