import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addDatabaseFlags } from './read-flags.js'

/** Adds `otel-audit verify`. */
export function addVerifyCommand(program: Command): void {
  const command = program
    .command('verify')
    .description(
      'Prove that no row was changed, removed or inserted afterwards. Reads one snapshot as the reader role, and needs public keys only.',
    )
    .option('--trust <file>', 'the trust file: origin, enrolment keys, what unsigned rows mean')
    .option(
      '--anchors <file>',
      'blocks from traces or logs: OTLP/JSON, or signed notes. If they are of several logs, the trust file must name the origin',
    )
    .option('--from <id|time>', 'rows from this audit id on, or from this time on (2026-11-01, -24h)')
    .option('--to <id|time>', 'rows up to and with this audit id, or before this time')
    .option('--chain <id>', 'one chain only')
    .option(
      '--every-signature',
      'check every signature, also of blocks that a later signed block proves (default: a random part of those, 1,000 or 1 %)',
    )
    .option('--row <audit-id>', 'write this row and its proof to the file given with --proof')
    .option(
      '--proof <file>',
      'with --row: the file to write; alone: the proof file to check, without a database',
    )
    .option(
      '--manifest <file>',
      'check an export by its manifest: the file, its rows, and the blocks that contain them',
    )
    .option(
      '--archive <place>',
      'verify the archives there (a directory or s3://BUCKET/PREFIX) from their files alone, without a database',
    )
    .option(
      '--with-archive <place...>',
      'verify the trail, and with it the archives of what was retired from it: all places that have some, such as one for each year',
    )
    .option(
      '--state <file>',
      'verify what is new since the run that has left this file, and a share of what is old; leaves it for the next run (default: $NOETL_SECRET_AUDIT_VERIFY_STATE)',
    )
    .option(
      '--verifier-key <file>',
      'with --state: the key that signs it, PKCS#8 in PEM (default: $NOETL_SECRET_AUDIT_VERIFIER_KEY_FILE)',
    )
    .option(
      '--full-every <time>',
      'with --state: within this time everything is read again (default: $NOETL_SECRET_AUDIT_VERIFY_FULL_EVERY, else 30d)',
    )
    .option('--watch <time>', 'verify again and again: so often, such as 1h or 30m')
    .option(
      '--metrics-port <number>',
      'with --watch: serve /metrics on this port, 0 for a free one (default: $NOETL_SECRET_AUDIT_VERIFY_METRICS_PORT, else not)',
    )
    .option(
      '--metrics-host <address>',
      'address for that (default: $NOETL_SECRET_AUDIT_VERIFY_METRICS_HOST, else 127.0.0.1)',
    )
    .option('--record', 'write what came of it as a row of the trail: needs a login with the writer role')
    .option(
      '--metrics <file>',
      'also write what came of it for Prometheus, as the textfile collector of the node exporter reads it',
    )
    .option('--format <format>', 'table, json or ndjson (default: table on a terminal, else ndjson)')
  addDatabaseFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit verify --trust audit.trust --anchors traces.jsonl
  $ otel-audit verify --trust audit.trust --metrics /var/lib/node_exporter/textfile/otel_audit.prom
  $ otel-audit verify --trust audit.trust --state verify.state --verifier-key verifier.pem
  $ otel-audit verify --trust audit.trust --state verify.state --verifier-key verifier.pem --watch 1h --metrics-port 9464
  $ otel-audit verify --from 2026-11-01 --to 2026-12-01 --format json
  $ otel-audit verify --row 384299930694800793 --proof row.json
  $ otel-audit verify --trust audit.trust --proof row.json       # offline
  $ otel-audit verify --trust audit.trust --manifest incident.ndjson.manifest.json
  $ otel-audit verify --trust audit.trust --archive /archive/wallet    # offline
  $ otel-audit verify --trust audit.trust --with-archive /archive/wallet/2025 --with-archive s3://audit-archive/wallet/2026

Findings and the report go to standard output, progress to standard error.
Exit code: 0 nothing found, 1 something found, 2 it could not be checked, or not with all of the anchors. With --watch it runs until
SIGTERM or SIGINT, and ends with 0.`,
    )
    .action(lazily(() => import('./run/verify.js')))
}
