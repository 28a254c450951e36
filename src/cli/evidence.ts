import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addFilterFlags, addReadFlags } from './read-flags.js'

/** Adds `otel-audit evidence`. */
export function addEvidenceCommand(program: Command): void {
  const command = program
    .command('evidence')
    .description(
      'Bundle the evidence of an incident: rows, a proof of each, signed notes, coverage, the report of a verification, and a manifest. Or check such a bundle, with public keys only.',
    )
    .option('--incident <name>', 'what the bundle is about, in one line')
    .option('--out <directory>', 'the directory to make')
    .option('--key <file>', 'sign the manifest with this evidence key (otel-audit keys create --evidence)')
    .option(
      '--origin <name>',
      'the log that the key is of (default: $NOETL_SECRET_AUDIT_ORIGIN, else otel-audit/<database> of the database URL)',
    )
    .option('--anchors <file>', 'blocks from traces or logs, for the verification: as for otel-audit verify')
    .option('--check <directory>', 'check this bundle, without a database: combine it with --trust only')
    .option('--format <format>', 'of a check: table or json (default: table on a terminal, else json)')
  addReadFlags(addFilterFlags(command, ['limit', 'cursor', 'settled']))
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit evidence --incident INC-2291 --credential orders-db --from 2026-11-01 --trust audit.trust \\
      --key evidence.pem --out INC-2291
  $ otel-audit evidence --check INC-2291 --trust audit.trust

Its README.txt says, for people who do not know the product, what the bundle proves and what it does not. Give the trust
file to its readers by another way than the bundle. At most 100,000 rows: export more, and take proofs of the few.
The start and the end are recorded in the trail, the end with the SHA-256 of the manifest.
Exit code: 0 done, or nothing found; 1 failed, or something found; 2 usage, or it could not be checked.`,
    )
    .action(lazily(() => import('./run/evidence.js')))
}
