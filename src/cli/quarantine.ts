import type { Command } from 'commander'
import { lazily } from './lazily.js'
import type { Flags } from './read-flags.js'

/** Adds `otel-audit quarantine`. */
export function addQuarantineCommand(program: Command): void {
  const quarantine = program
    .command('quarantine')
    .description('What came to the gateway and cannot be a row of the trail.')
  const add = (usage: string, description: string): Command =>
    quarantine
      .command(usage)
      .description(description)
      .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
      .option(
        '--database-url <url>',
        'the database, as a login with the roles keeper and writer (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
      )
  add('list', 'Show what is kept, the newest first: why, from whom, and how much.')
    .option('--all', 'also what was replayed or discarded')
    .option('--limit <number>', 'most of them', '100')
    .option('--format <format>', 'table or json', 'table')
    .action(lazily(() => import('./run/quarantine-list.js')))
  add(
    'show <id>',
    'Show one of them as it came. It may hold a secret that somebody put in the wrong place.',
  ).action(async (id: string, flags: Flags) => (await import('./run/quarantine-show.js')).run(id, flags))
  add('replay <id>', 'Store one that can be an event after all, as the gateway would now.')
    .option(
      '--clock-claimed',
      'of one that was kept for its time: store it under an id of the database’s time; what it says of its time stays',
    )
    .action(async (id: string, flags: Flags) => (await import('./run/quarantine-replay.js')).run(id, flags))
  add(
    'discard <id>',
    'Say that one of them is of no use. What it was stays in the table until its month is dropped.',
  ).action(async (id: string, flags: Flags) => (await import('./run/quarantine-discard.js')).run(id, flags))
  quarantine.addHelpText(
    'after',
    `
Examples:
  $ otel-audit quarantine list --format json
  $ otel-audit quarantine show 384299930694800793
  $ otel-audit quarantine replay 384299930694800793 --clock-claimed
  $ otel-audit quarantine discard 384299930694800793

Each of these leaves a row in the trail, with the operation audit_quarantine.
Exit code: 0 done; 1 it could not be done, or there is none with that id; 2 usage.`,
  )
}
