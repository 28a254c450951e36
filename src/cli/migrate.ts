import type { Command } from 'commander'
import type { MigrateReport } from '../postgres/migrate/migrate.js'

interface MigrateFlags {
  readonly databaseUrl?: string
  readonly schema?: string
  readonly roles?: boolean
  readonly dryRun?: boolean
}

/** Adds `otel-audit migrate`. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .description(
      'Create or update the tables, or adopt the table of the original. Run it as the owner of the schema, any number of times.',
    )
    .option('--dry-run', 'print the SQL that would run on this very database, and change nothing')
    .option(
      '--roles',
      'also create the group roles <schema>_audit_writer and <schema>_audit_reader and grant their rights',
    )
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL; better so: arguments are visible to other users)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ export DATABASE_URL=postgres://owner@db.example/app
  $ otel-audit migrate --roles
  $ otel-audit migrate --dry-run > migrate.sql && psql --set ON_ERROR_STOP=1 --file migrate.sql "$DATABASE_URL"

Progress goes to standard error, the result to standard output. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(runMigrate)
}

async function runMigrate({
  databaseUrl,
  schema,
  roles = false,
  dryRun = false,
}: MigrateFlags): Promise<void> {
  const { resolveOptions } = await import('../options/resolve.js')
  const settings = resolveOptions({ databaseUrl, schema }, process.env)
  if (settings.databaseUrl === undefined) {
    const { AuditError } = await import('../errors.js')
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
      { field: 'databaseUrl' },
    )
  }
  const { migrate } = await import('../postgres/migrate/migrate.js')
  const result = await migrate({
    databaseUrl: settings.databaseUrl,
    schema: settings.schema,
    roles,
    dryRun,
    onProgress: (line) => process.stderr.write(`${line}\n`),
  })
  process.stdout.write(result.sql ?? summary(result))
}

function summary({ schema, applied, adopted, partitions, roles }: MigrateReport): string {
  const migrations = applied.map(({ number, name }) => `${number} ${name.replaceAll('_', ' ')}`).join(', ')
  const span = partitions.length < 2 ? partitions.join('') : `${partitions[0]} to ${partitions.at(-1)}`
  return [
    `schema      ${schema}`,
    `migrations  ${migrations || 'none were missing'}`,
    ...(adopted ? ['adopted     the existing table, as partition secret_audit_adopted'] : []),
    `partitions  ${partitions.length === 0 ? 'none were missing' : `${partitions.length} made: ${span}`}`,
    ...(roles.length > 0 ? [`roles       ${roles.join(', ')}`] : []),
    '',
  ].join('\n')
}
