import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { TrailRow } from '../query/row.js'
import { addFilterFlags, addReadFlags, filterOf, type Flags, formatOf } from './read-flags.js'

const FORMATS = ['table', 'ndjson'] as const
const DEFAULT_LINES = 10
const MOST_LINES = 10_000
const POLL_MS = 1000

/** Adds `otel-audit tail`. */
export function addTailCommand(program: Command): void {
  const command = program
    .command('tail')
    .description('Show rows as they come, oldest first, until it is interrupted.')
  addReadFlags(addFilterFlags(command, ['from', 'to', 'limit', 'cursor', 'settled']))
    .option(
      '--lines <n>',
      `rows of the last 24 hours to begin with, 0 to ${MOST_LINES}`,
      String(DEFAULT_LINES),
    )
    .option('--format <format>', 'table or ndjson (default: table on a terminal, ndjson in a pipe)')
    .addHelpText(
      'after',
      `
Example:
  $ otel-audit tail --outcome not-ok

Every row is shown exactly once, also those of transactions that commit out of order: it shows a row when no older
transaction is still running in the database, and so it waits for the oldest one that writes. That it began, and how
many rows it showed, are rows of the trail.
Exit code: 0 interrupted, 1 failed, 2 usage.`,
    )
    .action(runTail)
}

async function runTail(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const lines = /^\d{1,5}$/.test(String(flags['lines'])) ? Number(flags['lines']) : Number.NaN
  if (!(lines <= MOST_LINES)) command.error(`--lines must be an integer from 0 to ${MOST_LINES}`)
  const { describeFilter, parseFilter } = await import('../query/filter.js')
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter, Date.now(), { isBounded: true }))
  const { withTrail } = await import('./run/read-session.js')
  const { Outcome } = await import('../event/vocabulary.js')
  const print = await printer(format)
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  process.stdout.once('error', onSignal)
  await withTrail(flags, async ({ trail, record }) => {
    await record({ what: 'tail', filter: described }, Outcome.Started)
    let since = await trail.mark()
    let shown = 0
    // Rows that settle between the mark and the first page are on both.
    const begun = new Set<string>()
    if (lines > 0) {
      const { rows } = await trail.search({ ...filter, from: '-24h', settled: true, limit: lines })
      for (const { audit_id } of rows) begun.add(audit_id)
      print(rows.toReversed())
      shown += rows.length
    }
    while (!stop.signal.aborted) {
      const until = await trail.mark()
      for await (const rows of trail.added(filter, since, until)) {
        const fresh = begun.size === 0 ? rows : rows.filter(({ audit_id }) => !begun.has(audit_id))
        print(fresh)
        shown += fresh.length
      }
      if (until > since) begun.clear()
      since = until
      await pause(POLL_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
    await record({ what: 'tail', filter: described, rows: shown })
  })
}

async function printer(format: (typeof FORMATS)[number]): Promise<(rows: readonly TrailRow[]) => void> {
  const [{ rowJson }, { hasColours, table }, { ROW_COLUMNS }] = await Promise.all([
    import('../query/row.js'),
    import('./run/table.js'),
    import('./run/row-table.js'),
  ])
  if (format === 'ndjson') {
    return (rows) => void process.stdout.write(rows.map((row) => `${rowJson(row)}\n`).join(''))
  }
  let isFirst = true
  return (rows) => {
    if (rows.length === 0) return
    const text = table(ROW_COLUMNS, rows, hasColours(process.stdout))
    process.stdout.write(isFirst ? text : text.slice(text.indexOf('\n') + 1))
    isFirst = false
  }
}
