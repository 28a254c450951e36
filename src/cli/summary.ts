import type { Command } from 'commander'
import type { CredentialSummary, Summary } from '../query/trail.js'
import { addFilterFlags, addReadFlags, filterOf, type Flags, formatOf } from './read-flags.js'
import type { TableColumn } from './table.js'

const FORMATS = ['table', 'ndjson', 'json', 'csv'] as const

/** Adds `otel-audit summary`. */
export function addSummaryCommand(program: Command): void {
  const command = program
    .command('summary')
    .description('Per credential: accesses, denials, distinct workers and actors, first and last access.')
  addReadFlags(addFilterFlags(command, ['cursor']))
    .option(
      '--format <format>',
      'table, json, ndjson or csv (default: table on a terminal, ndjson in a pipe)',
    )
    .addHelpText(
      'after',
      `
Example, the access review of a quarter:
  $ otel-audit summary --from 2026-07-01 --to 2026-10-01 --limit 1000

Of the last 30 days, unless --from and --to say otherwise; without the rows that the trail writes about itself. --limit
counts credentials. A read leaves a row in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(runSummary)
}

async function runSummary(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const { describeFilter, parseFilter } = await import('../query/filter.js')
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter))
  const { withTrail } = await import('./read-session.js')
  const { whileWaiting } = await import('./progress.js')
  await withTrail(flags, async ({ trail, record }) => {
    const summary = await whileWaiting('reading', () => trail.summary(filter))
    await record({ what: 'summary', filter: described, rows: summary.credentials.length })
    process.stdout.write(await rendered(summary, format))
    if (summary.truncated) process.stderr.write('There are more credentials: give a larger --limit\n')
  })
}

const COLUMNS: readonly TableColumn<CredentialSummary>[] = [
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'ACCESSES', value: ({ accesses }) => accesses, isNumber: true },
  {
    title: 'DENIALS',
    value: ({ denials }) => denials,
    isNumber: true,
    style: ({ denials }) => (denials > 0 ? 'bad' : undefined),
  },
  { title: 'WORKERS', value: ({ workers }) => workers, isNumber: true },
  { title: 'ACTORS', value: ({ actors }) => actors, isNumber: true },
  { title: 'FIRST', value: ({ first_access }) => first_access.slice(0, 19) },
  { title: 'LAST', value: ({ last_access }) => last_access.slice(0, 19) },
]

const KEYS = [
  'credential',
  'accesses',
  'denials',
  'workers',
  'actors',
  'first_access',
  'last_access',
] as const satisfies readonly (keyof CredentialSummary)[]

async function rendered(summary: Summary, format: (typeof FORMATS)[number]): Promise<string> {
  const { credentials } = summary
  switch (format) {
    case 'ndjson':
      return credentials.map((one) => `${JSON.stringify(one)}\n`).join('')
    case 'json':
      return `${JSON.stringify(summary, undefined, 2)}\n`
    case 'csv': {
      const { csvCell } = await import('../query/csv.js')
      const lines = credentials.map((one) => KEYS.map((key) => csvCell(String(one[key]))).join(','))
      return [KEYS.join(','), ...lines, ''].join('\r\n')
    }
    case 'table': {
      const { hasColours, table } = await import('./table.js')
      return credentials.length === 0
        ? 'Nobody accessed anything.\n'
        : table(COLUMNS, credentials, hasColours(process.stdout))
    }
  }
}
