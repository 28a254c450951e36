import { JSON, wallClock } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import type { Command } from 'commander'
import { csvCell } from '../../query/csv.js'
import { SUMMARY_WINDOW_MS } from '../../query/counts.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { checkBy, checkOrder, type Summary, type SummaryBy, type SummaryGroup } from '../../query/summary.js'
import { filterOf, type Flags, formatOf } from '../read-flags.js'
import { withAsked } from './archive-session.js'
import { tellRetired } from './retired-window.js'
import { whileWaiting } from './progress.js'
import { hasColours, table, type TableColumn } from './table.js'

const FORMATS = ['table', 'ndjson', 'json', 'csv'] as const

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const by = checkBy(flags['by'])
  const order = checkOrder(flags['order'])
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter))
  const window = parseFilter(filter, wallClock(), { windowMs: SUMMARY_WINDOW_MS })
  await withAsked(flags, async ({ trail, record, retiredOf }) => {
    const summary = await whileWaiting('reading', () => trail.summary(filter, { by, order }))
    await record({ what: 'summary', filter: described, rows: summary.groups.length })
    process.stdout.write(rendered(summary, format))
    if (retiredOf !== undefined) await tellRetired(retiredOf, window, 'summary')
    if (summary.truncated) process.stderr.write('There are more groups: use a larger --limit\n')
  })
}

const columnsOf = (by: SummaryBy): readonly TableColumn<SummaryGroup>[] => [
  { title: by.replaceAll('_', ' ').toUpperCase(), value: ({ value }) => value ?? '(unknown)' },
  { title: 'ACCESSES', value: ({ accesses }) => accesses, isNumber: true },
  {
    title: 'DENIALS',
    value: ({ denials }) => denials,
    isNumber: true,
    style: ({ denials }) => (denials > 0 ? 'bad' : undefined),
  },
  { title: 'WORKERS', value: ({ workers }) => workers, isNumber: true },
  { title: 'ACTORS', value: ({ actors }) => actors, isNumber: true },
  { title: 'ADDRESSES', value: ({ sources }) => sources, isNumber: true },
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
  'sources',
] as const satisfies readonly (keyof SummaryGroup)[]

function rendered(summary: Summary, format: (typeof FORMATS)[number]): string {
  const { by, groups } = summary
  switch (format) {
    case 'ndjson':
      return visibleJson(groups.map((one) => `${JSON.stringify(one)}\n`).join(''))
    case 'json':
      return visibleJson(`${JSON.stringify(summary, undefined, 2)}\n`)
    case 'csv': {
      const lines = groups.map((one) =>
        [csvCell(one.value), ...KEYS.map((key) => csvCell(String(one[key])))].join(','),
      )
      return [[by, ...KEYS].join(','), ...lines, ''].join('\r\n')
    }
    case 'table':
      return groups.length === 0 ? 'No accesses.\n' : table(columnsOf(by), groups, hasColours(process.stdout))
  }
}
