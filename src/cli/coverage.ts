import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addReadFlags } from './read-flags.js'

/** Adds `otel-audit coverage`. */
export function addCoverageCommand(program: Command): void {
  const command = program
    .command('coverage')
    .description(
      'Show which secret clients of which services were audited at a time, and how: from the rows that each process writes about itself.',
    )
    .option('--service <name>', 'one service only (example: orders)')
    .option('--at <time>', 'when: RFC 3339, a date, or how long ago (default: now)')
    .option('--limit <number>', 'clients, 1 to 10000 (default: 100)')
    .option('--format <format>', 'table, ndjson or json (default: table on a terminal, ndjson in a pipe)')
    .option('--exit-code', 'exit with 3 when a client is not covered, or what it reads cannot be held back')
  addReadFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit coverage --service orders
  $ otel-audit coverage --at 2026-07-01T00:00:00Z --format json
  $ otel-audit coverage --exit-code || echo "some accesses may have no row"

hooked: by a hook of the client. wire: by its traffic, which is held back. not_hooked: loaded, and no hook sees it.
observed: seen, and cannot be held back. The rows are signed as all others: otel-audit verify proves them.
The read is recorded in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage, 3 not all is covered (with --exit-code).`,
    )
    .action(lazily(() => import('./run/coverage.js')))
}
