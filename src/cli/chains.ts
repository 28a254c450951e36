import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addReadFlags } from './read-flags.js'

/** Adds `otel-audit chains`. */
export function addChainsCommand(program: Command): void {
  const command = program
    .command('chains')
    .description(
      'Show the health of the writers’ chains of signed blocks, by service, as their first and last blocks report it.',
    )
    .option('--each', 'a line for each chain, the most recently active first')
    .option('--limit <number>', 'chains to look at, 1 to 10000', '10000')
    .option('--format <format>', 'table, ndjson or json (default: table on a terminal, ndjson in a pipe)')
    .option(
      '--exit-code',
      'exit with 3 when a chain has ended uncleanly, has lost events, or is not enrolled',
    )
  addReadFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit chains --trust audit.trust
  $ otel-audit chains --each --limit 20

closed and idle chains have ended in order, live ones said something within 120 s, unclean ones did not. Nothing is
proven by it: otel-audit verify does that. The read is recorded in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage, 3 something to look at (with --exit-code).`,
    )
    .action(lazily(() => import('./run/chains.js')))
}
