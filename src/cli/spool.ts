import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addDrainCommand } from './spool-drain.js'

/** Adds `otel-audit spool`. */
export function addSpoolCommand(program: Command): void {
  const spool = program
    .command('spool')
    .helpCommand(false)
    .description('Inspect the events that wait on disk for the database, and store them.')
  spool
    .command('status')
    .description('Report what each process, running or dead, has in the spool directory. Changes nothing.')
    .option('--directory <path>', 'the spool directory (default: $NOETL_SECRET_AUDIT_SPOOL_DIR)')
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example:
  $ otel-audit spool status --directory /var/lib/orders/audit-spool

What dead processes left is taken over and stored by the next process that starts with this directory, or by
\`otel-audit spool drain\`.
Exit code: 0 done, whether or not events wait; 1 the directory cannot be read; 2 usage.`,
    )
    .action(lazily(() => import('./run/spool-status.js')))
  addDrainCommand(spool)
}
