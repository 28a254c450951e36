import type { Command } from 'commander'
import { lazily } from './lazily.js'
import { addFilterFlags, addReadFlags } from './read-flags.js'

/** Adds `otel-audit find`. */
export function addFindCommand(program: Command): void {
  const find = program
    .command('find')
    .helpCommand(false)
    .description('Find accesses by what is about more than one row.')
  add(
    find,
    'first',
    'The first access to each credential, the oldest first: with --actor-id jane the first ones of hers.',
  )
  add(
    find,
    'dormant',
    'The last access to each credential that nobody has accessed for long, the longest unused first.',
  ).option('--for <duration>', 'for how long', '90d')
  add(
    find,
    'denied-then-allowed',
    'Accesses that were granted right after the same one had been denied the same credential.',
  ).option('--within <duration>', 'how long after the denial, up to 1d', '5m')
  add(find, 'bursts', 'Denials that followed each other closely, by whom, the largest number first.')
    .option('--within <duration>', 'how long between one and the next, up to 1d', '5m')
    .option('--least <number>', 'fewest denials', '5')
  add(
    find,
    'not-enrolled',
    'Accesses recorded by a process that no enrolment key of the trust file vouches for.',
  )
}

function add(find: Command, name: string, description: string): Command {
  const command = find.command(name).description(description)
  return addReadFlags(addFilterFlags(command, ['cursor', 'settled']))
    .option('--format <format>', 'table, json or ndjson (default: table on a terminal, ndjson in a pipe)')
    .option('--exit-code', 'exit with 3 when there are some, for scripts that expect none')
    .addHelpText('after', HELP)
    .action(lazily(() => import('./run/find.js')))
}

const HELP = `
Examples:
  $ otel-audit find first --actor-id jane
  $ otel-audit find dormant --for 90d
  $ otel-audit find denied-then-allowed --within 5m --from -90d
  $ otel-audit find bursts --least 10 --from -7d
  $ otel-audit find not-enrolled --trust audit.trust --from -30d

"first" and "dormant" look at the whole trail unless --from says otherwise, "not-enrolled" at the last 30 days, the others
at the last 24 hours. Each read is recorded in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage, 3 there are some (with --exit-code).`
