import { wallClock } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import { Outcome } from '../../event/vocabulary.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { rowJson, type TrailRow } from '../../query/row.js'
import { filterOf, type Flags, formatOf, TAIL_LINES } from '../read-flags.js'
import { withTrail } from './read-session.js'
import { ROW_COLUMNS } from './row-table.js'
import { markOf, markText, saySettled } from './settled.js'
import { hasColours, table } from './table.js'

const FORMATS = ['table', 'ndjson'] as const
const POLL_MS = 1000
/** A mark that stands still for so long is held back by a transaction that is open. */
const HELD_POLLS = 60

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const lines = /^\d{1,5}$/.test(String(flags['lines'])) ? Number(flags['lines']) : Number.NaN
  if (!(lines <= TAIL_LINES.most)) command.error(`--lines must be an integer from 0 to ${TAIL_LINES.most}`)
  const filter = filterOf(flags)
  const described = describeFilter(parseFilter(filter, wallClock(), { isBounded: true }))
  const print = printer(format)
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  process.stdout.once('error', onSignal)
  await withTrail(flags, async ({ trail, record }) => {
    await record({ what: 'tail', filter: described }, Outcome.Started)
    const state = await trail.settledState()
    saySettled({ ...state, unsettled: 0, foreign: 0 })
    let since = typeof flags['since'] === 'string' ? markOf(flags['since'], state) : state.mark
    let heldFor = 0
    let shown = 0
    // Rows that settle between the mark and the first page are on both.
    const begun = new Set<string>()
    if (lines > 0 && flags['since'] === undefined) {
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
      heldFor = until > since ? 0 : heldFor + 1
      // Said once for each transaction that holds the mark back.
      if (heldFor === HELD_POLLS)
        saySettled({ ...(await trail.settledState()), foreign: 0, replicated: false })
      since = until
      await pause(POLL_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
    const mark = markText({ ...state, mark: since })
    process.stderr.write(`otel-audit: to continue from here, add --since ${mark}\n`)
    await record({ what: 'tail', filter: described, rows: shown })
  })
}

function printer(format: (typeof FORMATS)[number]): (rows: readonly TrailRow[]) => void {
  if (format === 'ndjson') {
    return (rows) => void process.stdout.write(visibleJson(rows.map((row) => `${rowJson(row)}\n`).join('')))
  }
  let isFirst = true
  return (rows) => {
    if (rows.length === 0) return
    const text = table(ROW_COLUMNS, rows, hasColours(process.stdout))
    process.stdout.write(isFirst ? text : text.slice(text.indexOf('\n') + 1))
    isFirst = false
  }
}
