import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addFilterFlags, addReadFlags, TAIL_LINES } from './read-flags.js'

/** Adds `otel-audit tail`. */
export function addTailCommand(program: Command): void {
  const command = program
    .command('tail')
    .description('Show rows as they arrive, oldest first, until interrupted.')
  addReadFlags(addFilterFlags(command, ['from', 'to', 'limit', 'cursor', 'settled']))
    .option(
      '--lines <n>',
      `rows of the last 24 hours to show first, 0 to ${TAIL_LINES.most}`,
      String(TAIL_LINES.default),
    )
    .option('--since <mark>', 'continue after the mark that an earlier tail ended with, instead of --lines')
    .option('--format <format>', 'table or ndjson (default: table on a terminal, ndjson in a pipe)')
    .addHelpText(
      'after',
      `
Example:
  $ otel-audit tail --outcome not-ok

Every row is shown exactly once, also when transactions commit out of order: a row is shown when no older transaction
is still running in the database, so a long one that writes delays it. The start, and the number of rows shown, are
recorded in the trail.
Exit code: 0 interrupted, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/tail.js')))
}
