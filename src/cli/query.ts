import type { Command } from 'commander'
import type { Page } from '../query/trail.js'
import { addFilterFlags, addReadFlags, filterOf, type Flags, formatOf } from './read-flags.js'

const FORMATS = ['table', 'ndjson', 'json', 'csv'] as const
const EXIT_FOUND = 3

/** Adds `otel-audit query`. */
export function addQueryCommand(program: Command): void {
  const command = program
    .command('query')
    .description('Show who accessed what, when, on which execution, and how it ended. Newest first.')
  addReadFlags(addFilterFlags(command))
    .option(
      '--format <format>',
      'table, json, ndjson or csv (default: table on a terminal, ndjson in a pipe)',
    )
    .option('--exit-code', 'exit with 3 when there are rows: for scripts that look for what must not be')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit query --credential orders-db --from 2026-07-01 --to 2026-10-01
  $ otel-audit query --execution-id 7216413337829376 --format json
  $ otel-audit query --outcome not-ok --from -1h --exit-code || echo "somebody was refused"

A read leaves a row in the trail before anything is shown.
Exit code: 0 done, 1 failed, 2 usage, 3 there are rows (with --exit-code).`,
    )
    .action(runQuery)
}

async function runQuery(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const { describeFilter, parseFilter } = await import('../query/filter.js')
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter))
  const { withTrail } = await import('./run/read-session.js')
  const { whileWaiting } = await import('./run/progress.js')
  await withTrail(flags, async ({ trail, record }) => {
    const page = await whileWaiting('reading', () => trail.search(filter))
    await record({ what: 'rows', filter: described, rows: page.rows.length })
    process.stdout.write(await rendered(page, format))
    if (page.next_cursor !== null && format !== 'json') {
      process.stderr.write(`There is more: add --cursor ${page.next_cursor}\n`)
    }
    if (flags['exitCode'] === true && page.rows.length > 0) process.exitCode = EXIT_FOUND
  })
}

async function rendered(
  { rows, next_cursor, mark }: Page,
  format: (typeof FORMATS)[number],
): Promise<string> {
  const { rowJson } = await import('../query/row.js')
  switch (format) {
    case 'ndjson':
      return rows.map((row) => `${rowJson(row)}\n`).join('')
    case 'json':
      return `{"rows":[${rows.map((row) => `\n${rowJson(row)}`).join(',')}],${JSON.stringify({ next_cursor, mark }).slice(1)}\n`
    case 'csv': {
      const { CSV_HEAD, rowCsv } = await import('../query/csv.js')
      return CSV_HEAD + rows.map(rowCsv).join('')
    }
    case 'table': {
      const { hasColours, table } = await import('./run/table.js')
      const { ROW_COLUMNS } = await import('./run/row-table.js')
      return rows.length === 0
        ? 'There is no such row.\n'
        : table(ROW_COLUMNS, rows, hasColours(process.stdout))
    }
  }
}
