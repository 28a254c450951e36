import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addOwnerFlags } from './owner-flags.js'

/** Adds `otel-audit archive`. */
export function addArchiveCommand(program: Command): void {
  const command = program
    .command('archive')
    .description(
      'Put the partitions (months, weeks or days) before a date into signed files, and prove them: read them back, and verify them from the files alone. Changes no row.',
    )
    .option('--before <date>', 'what lies wholly before: 2025-01-01, 2025-01, or -365d')
    .option(
      '--to <place>',
      'where: a directory, or s3://BUCKET/PREFIX; archives of one place follow each other',
    )
  addOwnerFlags(command)
    .option('--trust <file>', 'a trust file: its keys and rules are part of the proof')
    .option('--accept-findings', 'archives count as proven although their rows do not all verify')
    .option('--object-lock <mode>', 'of S3: compliance (nobody can shorten it) or governance')
    .option('--retain-for <duration>', 'how long the files are locked: 2557d, 365w')
    .option(
      '--parquet',
      'also write the rows as Parquet, beside the archives (needs the package @duckdb/node-api)',
    )
    .option('--dry-run', 'say which partitions would be archived, and write nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit keys create --retention --origin otel-audit/wallet --out retention.pem >> audit.trust
  $ export NOETL_SECRET_AUDIT_RETENTION_KEY_FILE=retention.pem
  $ otel-audit archive --before -90d --to /archive/wallet --trust audit.trust
  $ otel-audit archive --before -90d --to /archive/wallet --trust audit.trust --parquet
  $ otel-audit verify --archive /archive/wallet --trust audit.trust      # offline
  $ otel-audit archive --before -90d --to s3://audit-archive/wallet --object-lock compliance --retain-for 2557d

Object storage needs the package aws4fetch, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION in the environment.

Run it as the owner of the trail, any number of times: what is archived is left alone, and what was interrupted is done again.
Exit code: 0 done, 1 something does not verify or failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/archive.js')))
}
