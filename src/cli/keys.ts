import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `otel-audit keys`. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .description('Keys that say of chains of blocks that they are the operator’s.')
  keys
    .command('create')
    .description(
      'Make an enrolment key. The private key goes to a file that only you can read, the verifier key to standard output.',
    )
    .option(
      '--out <file>',
      'where the private key goes, PKCS#8 in PEM; "-": to standard output, and nothing else does',
    )
    .option(
      '--origin <name>',
      'the log that it is for (default: $NOETL_SECRET_AUDIT_ORIGIN, else otel-audit/<database> of the database URL)',
    )
    .option(
      '--database-url <url>',
      'to name the log after (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit keys create --origin otel-audit/wallet --out enrolment.pem >> audit.trust
  $ otel-audit keys create --origin otel-audit/wallet --out - | vault kv put secret/audit key=-

Give the private key to the services (NOETL_SECRET_AUDIT_ENROLMENT_KEY, or …_FILE), and the line on standard output to
the auditors: it belongs into their trust file. With "--out -" that line goes to standard error.
The private key is kept nowhere else. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/keys-create.js')))
}
