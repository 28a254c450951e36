import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addArchiveFlag, addReadFlags } from './read-flags.js'

/** Adds `otel-audit review`. */
export function addReviewCommand(program: Command): void {
  const command = program
    .command('review')
    .description(
      'Write an access review: per credential and actor how often, first and last, denied, seen for the first time, dormant. As CSV and as a page that prints, with what it rests on.',
    )
    .option('--quarter <quarter>', 'a quarter of the calendar, in UTC (example: 2026Q3)')
    .option('--from <time>', 'or the start of the window, inclusive: RFC 3339, a date, or how long ago')
    .option('--to <time>', 'its end, exclusive (default: now)')
    .option('--credential <name>', 'one credential, or those with a prefix followed by *', '*')
    .option('--out <directory>', 'the directory to make (default: access-review-<window>)')
  addArchiveFlag(addReadFlags(command))
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit review --quarter 2026Q3 --trust audit.trust
  $ otel-audit review --from -90d --credential 'payments-*' --out payments
  $ otel-audit review --quarter 2024Q1 --archive /archive/wallet --trust audit.trust

The directory gets review.csv, review.html and manifest.json. The whole trail is read, and verified while it is counted:
what is counted is what was proven. "dormant" and "first seen" look back as far as the trail has rows.
The review is recorded in the trail, with the SHA-256 of its manifest, before anything is written.
Exit code: 0 done, 1 failed, or done and the trail does not verify, 2 usage.`,
    )
    .action(lazily(() => import('./run/review.js')))
}
