import type { Command } from 'commander'

/** Adds the flags of a command that the owner of the trail runs, and that signs with the retention key. */
export function addOwnerFlags(command: Command): Command {
  return addDatabaseOfOwner(command)
    .option(
      '--retention-key <file>',
      'the retention key, PKCS#8 in PEM (default: $NOETL_SECRET_AUDIT_RETENTION_KEY_FILE)',
    )
    .option(
      '--origin <name>',
      'the log (default: $NOETL_SECRET_AUDIT_ORIGIN, else otel-audit/<database> of the database URL)',
    )
}

export function addDatabaseOfOwner(command: Command): Command {
  return command
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database, as the owner of the trail (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
}
