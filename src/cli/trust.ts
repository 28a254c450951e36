import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addDatabaseFlags } from './read-flags.js'

/** Adds `otel-audit trust`. */
export function addTrustCommand(program: Command): void {
  const trust = program
    .command('trust')
    .helpCommand(false)
    .description('What an auditor knows of a trail, and does not take from its database.')
  const command = trust
    .command('init')
    .description(
      'Write a trust file from what is there now: the trail, its server, and the last block of every chain. What is there is taken as it is; what changes from now on is found.',
    )
    .option('--out <file>', 'the trust file to write; "-" is standard output')
    .option('--force', 'overwrite the file: what changed since it was written is then taken as it is')
    .option('--origin <name>', 'the log, where there are chains of several')
    .option(
      '--enrolment <key>',
      'verifier key of the operator, as `otel-audit keys create` prints it; may be repeated',
      (key: string, known: readonly string[]) => [...known, key],
      [] as readonly string[],
    )
  addDatabaseFlags(command)
    .addHelpText(
      'after',
      `
Example, of a trail that has been written to without an enrolment key, and gets one now:
  $ otel-audit keys create --origin otel-audit/wallet --out enrolment.pem > key.txt
  ... give enrolment.pem to the services (NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE), restart them, and then
  $ otel-audit trust init --out audit.trust && cat key.txt >> audit.trust
  $ otel-audit verify --trust audit.trust

Run "otel-audit verify" before: what is wrong already is not found later. Keep the file where the database's administrator
cannot write. Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/trust-init.js')))
}
