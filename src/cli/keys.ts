import type { Command } from 'commander'
import { lazily } from './lazily.js'

/** Adds `otel-audit keys`. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .helpCommand(false)
    .description(
      'Keys that enrol chains of blocks as the operator’s, or sign evidence, what was retired, or what was verified.',
    )
  keys
    .command('create')
    .description(
      'Create an enrolment key, or one for evidence, retention or a verifier. The private key goes to a file that only you can read, the verifier key to standard output.',
    )
    .option(
      '--retention',
      'a retention key in place of an enrolment key: it signs archives and what was retired, and no service has it',
    )
    .option(
      '--verifier',
      'a key for whoever runs otel-audit verify --state, in place of an enrolment key: it signs what one run leaves to the next',
    )
    .option(
      '--out <file>',
      'file for the private key, PKCS#8 in PEM; "-" writes it, and nothing else, to standard output',
    )
    .option('--evidence', 'a key that signs bundles of evidence, in place of one that enrols chains')
    .option(
      '--origin <name>',
      'the log that the key is for (default: $NOETL_SECRET_AUDIT_ORIGIN, else otel-audit/<database> of the database URL)',
    )
    .option(
      '--database-url <url>',
      'the database that the log is named after (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit keys create --origin otel-audit/wallet --out enrolment.pem >> audit.trust
  $ otel-audit keys create --origin otel-audit/wallet --out - | vault kv put secret/audit key=-

Give the private key to the services (NOETL_SECRET_AUDIT_ENROLMENT_KEY, or …_FILE), and the line on standard output to
the auditors: it belongs in their trust file. With "--out -" that line goes to standard error.
A retention key (--retention) is for whoever runs otel-audit archive and retire, a key for evidence (--evidence) for whoever
runs otel-audit evidence, a verifier key (--verifier) for whoever runs otel-audit verify --state, and none for a service.
No other copy of the private key is kept. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/keys-create.js')))
}
