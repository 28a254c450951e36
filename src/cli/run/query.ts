import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import type { Command } from 'commander'
import { CSV_HEAD, rowCsv } from '../../query/csv.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { rowJson } from '../../query/row.js'
import type { Page } from '../../query/page.js'
import { filterOf, type Flags, formatOf } from '../read-flags.js'
import { withAsked } from './archive-session.js'
import { tellRetired } from './retired-window.js'
import { whileWaiting } from './progress.js'
import { ROW_COLUMNS } from './row-table.js'
import { saySettled } from './settled.js'
import { hasColours, table } from './table.js'

const FORMATS = ['table', 'ndjson', 'json', 'csv'] as const
const EXIT_FOUND = 3

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const filter = filterOf(flags)
  const resolved = parseFilter(filter)
  const described = describeFilter(resolved)
  await withAsked(flags, async ({ trail, record, retiredOf }) => {
    const state = resolved.settled ? await trail.settledState() : undefined
    const page = await whileWaiting('reading', () => trail.search(filter))
    await record({ what: 'rows', filter: described, rows: page.rows.length })
    process.stdout.write(rendered(page, format))
    if (page.next_cursor !== null && format !== 'json') {
      process.stderr.write(`There are more rows: add --cursor ${page.next_cursor}\n`)
    }
    // Without a window it is the last page that ends where the rest was retired.
    const isReached = resolved.from !== undefined || page.next_cursor === null
    if (retiredOf !== undefined && isReached) await tellRetired(retiredOf, resolved, 'query')
    if (state !== undefined) saySettled({ ...state, foreign: page.foreign ?? 0 })
    if (flags['exitCode'] === true && page.rows.length > 0) process.exitCode = EXIT_FOUND
  })
}

function rendered({ rows, next_cursor, mark }: Page, format: (typeof FORMATS)[number]): string {
  switch (format) {
    case 'ndjson':
      return visibleJson(rows.map((row) => `${rowJson(row)}\n`).join(''))
    case 'json':
      return visibleJson(
        `{"rows":[${rows.map((row) => `\n${rowJson(row)}`).join(',')}],${JSON.stringify({ next_cursor, mark }).slice(1)}\n`,
      )
    case 'csv':
      return CSV_HEAD + rows.map(rowCsv).join('')
    case 'table':
      return rows.length === 0 ? 'No rows match.\n' : table(ROW_COLUMNS, rows, hasColours(process.stdout))
  }
}
