import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addOwnerFlags } from './owner-flags.js'

/** Adds `otel-audit retire`. */
export function addRetireCommand(program: Command): void {
  const command = program
    .command('retire')
    .description(
      'Remove the partitions (months, weeks or days) before a date from the trail. Nothing goes that is not archived and proven, or is held; the trail says what went.',
    )
    .option('--before <date>', 'what lies wholly before: 2024-01-01, 2024-01, or -365d')
    .option('--keep <duration>', 'refuse what is younger: 365d, 52w (default: $NOETL_SECRET_AUDIT_RETENTION)')
    .option('--patience <seconds>', 'how long to wait for transactions that are in the way', '60')
    .option('--without-archive', 'also what is not archived: its rows are lost, and the trail says so')
  addOwnerFlags(command)
    .option('--trust <file>', 'a trust file: archives that a retention key of it has signed count, too')
    .option('--dry-run', 'say what would be retired, and what is in the way; change nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit retire --before -365d --keep 365d
  $ otel-audit verify --with-archive /archive/wallet --trust audit.trust

Writers and readers go on meanwhile. Killed at whatever moment, it is run again, and goes on where it stopped.
Exit code: 0 all of it was retired, 1 something was not (held, not archived, somebody in the way) or failed, 2 usage.`,
    )
    .action(lazily(() => import('./run/retire.js')))
}
