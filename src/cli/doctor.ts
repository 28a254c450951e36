import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `otel-audit doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'Check whether records made with this environment would be durable, and report what to change.',
    )
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option(
      '--app <directory>',
      'list the secret clients that are installed in this application instead, and what will see their accesses',
    )
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example, with the environment of the service:
  $ DATABASE_URL=postgres://orders@db.example/app otel-audit doctor
Before a deploy, without a database:
  $ otel-audit doctor --app .

Exit code: 0 no errors (there may be warnings); 1 records would not be durable; 2 usage.
With --app: 0 each client is covered; 1 some are not; 2 it could not be seen.`,
    )
    .action(lazily(() => import('./run/doctor.js')))
}
