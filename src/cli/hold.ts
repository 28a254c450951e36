import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addDatabaseOfOwner } from './owner-flags.js'

/** Adds `otel-audit hold`. */
export function addHoldCommand(program: Command): void {
  const hold = program
    .command('hold')
    .helpCommand(false)
    .description('Legal holds: rows that `otel-audit retire` does not remove while they last.')
  const add = (usage: string, description: string): Command =>
    addDatabaseOfOwner(hold.command(usage).description(description))
  add(
    'add',
    'Hold the rows of a credential. It holds from then on, also against a retirement that is running.',
  )
    .option('--credential <name>', 'the credential: exact, or a prefix and *')
    .option('--from <time>', 'rows from this time on')
    .option('--to <time>', 'rows before this time')
    .option('--reason <text>', 'why: a case, a request')
    .action(lazily(() => import('./run/hold-add.js')))
  add('list', 'Show the holds.')
    .option('--all', 'also those that were released')
    .option('--format <format>', 'table or json', 'table')
    .action(lazily(() => import('./run/hold-list.js')))
  add('release', 'End a hold.')
    .option('--id <id>', 'as `otel-audit hold list` shows it')
    .option('--reason <text>', 'why')
    .action(lazily(() => import('./run/hold-release.js')))
  add('mark', 'Mark the archives of what is held once more, where adding a hold could not.').action(
    lazily(() => import('./run/hold-mark.js')),
  )
  hold.addHelpText(
    'after',
    `
Examples:
  $ otel-audit hold add --credential 'payments-*' --from 2025-01-01 --to 2025-07-01 --reason 'case 2025-17'
  $ otel-audit hold list
  $ otel-audit hold release --id 3 --reason 'case 2025-17 is closed'
  $ otel-audit hold mark

What is held and was retired is in an archive: that is marked, in object storage with an S3 legal hold on each of its files, in a
directory with a file HELD in its folder.

Run it as the owner of the trail. Adding and releasing leave a row in the trail, with the operation audit_hold.
Exit code: 0 done, 1 failed, 2 usage.`,
  )
}
