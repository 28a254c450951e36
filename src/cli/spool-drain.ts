import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `drain` to `otel-audit spool`. */
export function addDrainCommand(spool: Command): void {
  spool
    .command('drain')
    .description(
      'Store what dead processes left in the spool directory. What living ones have is left alone.',
    )
    .option('--directory <path>', 'the spool directory (default: $NOETL_SECRET_AUDIT_SPOOL_DIR)')
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option('--patience <seconds>', 'how long nothing may get through before the rest is left', '30')
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example, as the user and with the environment of the service that is gone:
  $ DATABASE_URL=postgres://orders@db.example/app otel-audit spool drain --directory /var/lib/orders/audit-spool

An event leaves the disk when its row is committed, and never before: drain may be ended, and run again, at any time.
Exit code: 0 nothing is left in the directory; 1 something is left, or could not be stored; 2 it could not run.`,
    )
    .action(lazily(() => import('./run/spool-drain.js')))
}
