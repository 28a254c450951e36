import type { Command } from 'commander'
import type { Summary, SummaryBy, SummaryGroup } from '../query/summary.js'
import { addFilterFlags, addReadFlags, filterOf, type Flags, formatOf } from './read-flags.js'
import type { TableColumn } from './run/table.js'

const FORMATS = ['table', 'ndjson', 'json', 'csv'] as const

/** Adds `otel-audit summary`. */
export function addSummaryCommand(program: Command): void {
  const command = program
    .command('summary')
    .description(
      'Per credential, or by something else: accesses, denials, distinct workers and actors, first and last access.',
    )
  addReadFlags(addFilterFlags(command, ['cursor']))
    .option(
      '--by <column>',
      'what accesses are counted by: credential, operation, actor_id, worker_id, execution_id, source_address, server_region, service_name or kek_version',
      'credential',
    )
    .option(
      '--format <format>',
      'table, json, ndjson or csv (default: table on a terminal, ndjson in a pipe)',
    )
    .addHelpText(
      'after',
      `
Examples, the access review of a quarter, and who it was:
  $ otel-audit summary --from 2026-07-01 --to 2026-10-01 --limit 1000
  $ otel-audit summary --from 2026-07-01 --to 2026-10-01 --credential orders-db --by actor_id

Of the last 30 days, unless --from and --to say otherwise; without the rows that the trail writes about itself. --limit
counts groups. A read leaves a row in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage.`,
    )
    .action(runSummary)
}

async function runSummary(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const { checkBy } = await import('../query/summary.js')
  const by = checkBy(flags['by'])
  const { describeFilter, parseFilter } = await import('../query/filter.js')
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter))
  const { withTrail } = await import('./run/read-session.js')
  const { whileWaiting } = await import('./run/progress.js')
  await withTrail(flags, async ({ trail, record }) => {
    const summary = await whileWaiting('reading', () => trail.summary(filter, { by }))
    await record({ what: 'summary', filter: described, rows: summary.groups.length })
    process.stdout.write(await rendered(summary, format))
    if (summary.truncated) process.stderr.write('There are more: give a larger --limit\n')
  })
}

const columnsOf = (by: SummaryBy): readonly TableColumn<SummaryGroup>[] => [
  { title: by.replaceAll('_', ' ').toUpperCase(), value: ({ value }) => value ?? '(not known)' },
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
  'accesses',
  'denials',
  'workers',
  'actors',
  'first_access',
  'last_access',
] as const satisfies readonly (keyof SummaryGroup)[]

async function rendered(summary: Summary, format: (typeof FORMATS)[number]): Promise<string> {
  const { by, groups } = summary
  switch (format) {
    case 'ndjson':
      return groups.map((one) => `${JSON.stringify(one)}\n`).join('')
    case 'json':
      return `${JSON.stringify(summary, undefined, 2)}\n`
    case 'csv': {
      const { csvCell } = await import('../query/csv.js')
      const lines = groups.map((one) =>
        [csvCell(one.value), ...KEYS.map((key) => csvCell(String(one[key])))].join(','),
      )
      return [[by, ...KEYS].join(','), ...lines, ''].join('\r\n')
    }
    case 'table': {
      const { hasColours, table } = await import('./run/table.js')
      return groups.length === 0
        ? 'Nobody accessed anything.\n'
        : table(columnsOf(by), groups, hasColours(process.stdout))
    }
  }
}
