import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `drain` to `otel-audit spool`. */
export function addDrainCommand(spool: Command): void {
  spool
    .command('drain')
    .description(
      'Store the events that dead processes left in the spool directory. Those of running processes are not touched.',
    )
    .option('--directory <path>', 'the spool directory (default: $NOETL_SECRET_AUDIT_SPOOL_DIR)')
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option('--patience <seconds>', 'give up after this long without progress', '30')
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example, as the user and with the environment of the service that is gone:
  $ DATABASE_URL=postgres://orders@db.example/app otel-audit spool drain --directory /var/lib/orders/audit-spool

An event is removed from disk only after its row is committed: drain may be interrupted and run again at any time.
Exit code: 0 nothing is left in the directory; 1 something is left, or could not be stored; 2 it could not run.`,
    )
    .action(lazily(() => import('./run/spool-drain.js')))
}
