import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addReadFlags } from './read-flags.js'

/** Adds `otel-audit reconcile`. */
export function addReconcileCommand(program: Command): void {
  const command = program
    .command('reconcile')
    .description(
      'Compare the rows about accesses to secret managers with the log of the provider itself: what both have, and what only one of them has.',
    )
    .option(
      '--cloudtrail <file...>',
      'files of AWS CloudTrail, as they are delivered to S3, or what lookup-events prints',
    )
    .option('--vault-audit <file...>', 'files of an audit device of Vault or OpenBao')
    .option('--from <time>', 'start of the window, inclusive (default: the first entry of each log)')
    .option('--to <time>', 'end of the window, exclusive (default: the last entry of each log)')
    .option('--service-name <name>', 'compare the rows of this service only (example: orders)')
    .option(
      '--identity <text>',
      'report accesses without a row only of this identity: an ARN, or the display name of Vault; or how it begins, followed by *',
    )
    .option('--format <format>', 'table or json (default: table on a terminal, json in a pipe)')
  addReadFlags(command)
    .addHelpText(
      'after',
      `
Examples, of an hour and of everything that a file has:
  $ otel-audit reconcile --cloudtrail 2026/11/29/*.json.gz --from 2026-11-29T10:00:00Z --to 2026-11-29T11:00:00Z
  $ otel-audit reconcile --vault-audit /var/log/openbao/audit.log --service-name orders --identity 'kubernetes-orders*'

Files may be compressed by gzip. Rows are matched by request id; those without one, and secrets of a batch, by path and
time, to within a second. The read is recorded in the trail before anything is shown.
Exit code: 0 each access is on both sides, 1 some are on one side only, 2 they could not be compared, or not all of them.`,
    )
    .action(lazily(() => import('./run/reconcile.js')))
}
