import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addFilterFlags, addReadFlags, TAIL_LINES } from './read-flags.js'

/** Adds `otel-audit tail`. */
export function addTailCommand(program: Command): void {
  const command = program
    .command('tail')
    .description('Show rows as they come, oldest first, until it is interrupted.')
  addReadFlags(addFilterFlags(command, ['from', 'to', 'limit', 'cursor', 'settled']))
    .option(
      '--lines <n>',
      `rows of the last 24 hours to begin with, 0 to ${TAIL_LINES.most}`,
      String(TAIL_LINES.default),
    )
    .option('--format <format>', 'table or ndjson (default: table on a terminal, ndjson in a pipe)')
    .addHelpText(
      'after',
      `
Example:
  $ otel-audit tail --outcome not-ok

Every row is shown exactly once, also those of transactions that commit out of order: it shows a row when no older
transaction is still running in the database, and so it waits for the oldest one that writes. That it began, and how
many rows it showed, are rows of the trail.
Exit code: 0 interrupted, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/tail.js')))
}
