import type { Command } from 'commander'
import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { FIND_PATTERNS, type FoundAccess, type FoundAccesses, foundJson } from '../../query/find.js'
import { filterOf, type Flags, formatOf } from '../read-flags.js'
import { whileWaiting } from './progress.js'
import { withTrail } from './read-session.js'
import { ROW_COLUMNS } from './row-table.js'
import { hasColours, table, type TableColumn } from './table.js'
import { trustFrom } from './verify-input.js'

const FORMATS = ['table', 'ndjson', 'json'] as const
const EXIT_FOUND = 3

export async function run(flags: Flags, command: Command): Promise<void> {
  const pattern = FIND_PATTERNS.find((known) => known === command.name())
  if (pattern === undefined) return command.error(`there is no pattern ${command.name()}`)
  const format = formatOf(command, flags, FORMATS)
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const filter = filterOf(flags)
  const trust = await trustFrom(text('trust'))
  const options = { unusedFor: text('for'), within: text('within'), trust }
  const described = JSON.stringify({
    find: pattern,
    ...(options.unusedFor !== undefined && { for: options.unusedFor }),
    ...(options.within !== undefined && { within: options.within }),
    ...(JSON.parse(describeFilter(parseFilter(filter, undefined, { isBounded: true }))) as object),
  })
  await withTrail(flags, async ({ trail, record }) => {
    const found = await whileWaiting('reading', () => trail.find(pattern, filter, options))
    await record({ what: 'rows', filter: described, rows: found.rows.length })
    process.stdout.write(rendered(found, format))
    if (found.truncated) process.stderr.write('There are more: use a larger --limit\n')
    if (flags['exitCode'] === true && found.rows.length > 0) process.exitCode = EXIT_FOUND
  })
}

const DENIED_BEFORE: TableColumn<FoundAccess> = {
  title: 'DENIED BEFORE',
  value: ({ denied_outcome, denied_at }) =>
    denied_at === undefined ? null : `${denied_outcome} ${denied_at.slice(0, 19).replace('T', ' ')}Z`,
  style: () => 'bad',
}

function rendered({ pattern, rows, truncated }: FoundAccesses, format: (typeof FORMATS)[number]): string {
  switch (format) {
    case 'ndjson':
      return visibleJson(rows.map((row) => `${foundJson(row)}\n`).join(''))
    case 'json':
      return visibleJson(
        `{"rows":[${rows.map((row) => `\n${foundJson(row)}`).join(',')}],"truncated":${truncated}}\n`,
      )
    case 'table': {
      if (rows.length === 0) return 'Nothing was found.\n'
      const columns = pattern === 'denied-then-allowed' ? [...ROW_COLUMNS, DENIED_BEFORE] : ROW_COLUMNS
      return table(columns, rows, hasColours(process.stdout))
    }
  }
}
