import { type Command, Option } from 'commander'
import { PARTITION_WIDTHS } from '../postgres/partitions.js'
import { lazily } from './lazily.js'

/** Adds `otel-audit migrate`. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description(
      'Create or update the tables, or adopt an existing table of the original. Run it as the owner of the schema, any number of times.',
    )
    .option('--dry-run', 'print the SQL that would run on this database, and change nothing')
    .option(
      '--roles',
      'also create the group roles <schema>_audit_writer and <schema>_audit_reader and grant their rights',
    )
    .option(
      '--login <name>',
      'also make a login for a service, with the writer role and no more; implies --roles',
    )
    .option('--reads', 'with --login: it gets the reader role, too: for otel-audit query, serve and verify')
    .option(
      '--url-file <file>',
      'with --login: give it a new password, and write its URL to this new file, which only you can read',
    )
    .option(
      '--new-trail',
      'begin another identity, in a clone (of a dump, a template, a snapshot): its blocks are then no evidence of the original',
    )
    .option(
      '--keep-trail',
      'keep the identity on this server, where the trail has moved here: after a restore, an upgrade',
    )
    .addOption(
      new Option(
        '--partition-width <width>',
        'how wide partitions are made from now on: a month, a week or a day. Those that have not begun and are empty make room (default: what the trail has)',
      ).choices(PARTITION_WIDTHS),
    )
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL; preferred, since arguments are visible to other users)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ export DATABASE_URL=postgres://owner@db.example/app
  $ otel-audit migrate --roles
  $ otel-audit migrate --login orders --url-file orders.url
  $ otel-audit migrate --login auditor --reads --url-file auditor.url
  $ otel-audit migrate --new-trail         # in a clone, before anything writes to it
  $ otel-audit migrate --partition-width week
  $ otel-audit migrate --dry-run > migrate.sql && psql --set ON_ERROR_STOP=1 --file migrate.sql "$DATABASE_URL"

Progress goes to standard error, the result to standard output. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/migrate.js')))
}
