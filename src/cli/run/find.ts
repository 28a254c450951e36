import type { Command } from 'commander'
import type { Reading } from '../../event/self-rows.js'
import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import { describeFilter, parseFilter, type TrailFilter } from '../../query/filter.js'
import { durationMs, type FindPattern } from '../../query/find.js'
import { rowJson, type TrailRow } from '../../query/row.js'
import type { Burst, Reversal } from '../../query/suspicions.js'
import type { Trail } from '../../query/trail.js'
import { filterOf, type Flags, formatOf } from '../read-flags.js'
import { whileWaiting } from './progress.js'
import { withTrail } from './read-session.js'
import { tellRetired } from './retired-window.js'
import { ROW_COLUMNS } from './row-table.js'
import { hasColours, table, type TableColumn } from './table.js'
import { trustFrom } from './verify-input.js'

const FORMATS = ['table', 'ndjson', 'json'] as const
const EXIT_FOUND = 3

/** What was found, ready to be shown. */
interface Found {
  readonly lines: readonly string[]
  readonly truncated: boolean
  readonly asTable: () => string
}

export async function run(flags: Flags, command: Command): Promise<void> {
  const pattern = command.name()
  const format = formatOf(command, flags, FORMATS)
  const filter = filterOf(flags)
  const found = await finder(pattern, flags)
  const resolved = JSON.parse(describeFilter(parseFilter(filter, undefined, { isBounded: true }))) as object
  await withTrail(flags, async ({ trail, record }) => {
    const { lines, truncated, asTable } = await whileWaiting('reading', () => found.find(trail, filter))
    const described = JSON.stringify({ find: pattern, ...found.options, ...resolved })
    await record({ what: found.what, filter: described, rows: lines.length })
    if (format === 'ndjson') process.stdout.write(visibleJson(lines.map((line) => `${line}\n`).join('')))
    else if (format === 'table') process.stdout.write(lines.length === 0 ? 'Nothing was found.\n' : asTable())
    else {
      const all = lines.map((line) => `\n${line}`).join(',')
      process.stdout.write(visibleJson(`{"found":[${all}],"truncated":${truncated}}\n`))
    }
    if (ofTheWholeTrail(pattern) || flags['from'] !== undefined)
      await tellRetired(trail, parseFilter(filter, undefined, { isBounded: true }), undefined)
    if (truncated) process.stderr.write('There are more: use a larger --limit\n')
    if (flags['exitCode'] === true && lines.length > 0) process.exitCode = EXIT_FOUND
  })
}

/** What was accessed first, or last, is so as far as the trail goes. */
function ofTheWholeTrail(pattern: string): boolean {
  return pattern === 'first' || pattern === 'dormant'
}

interface Finder {
  readonly what: Reading['what']
  /** As they were given, for the row about the read. */
  readonly options: Readonly<Record<string, string | undefined>>
  find(trail: Trail, filter: TrailFilter): Promise<Found>
}

async function finder(pattern: string, flags: Flags): Promise<Finder> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  if (pattern === 'denied-then-allowed') {
    const options = { within: text('within') }
    return { what: 'reversals', options, find: reversals(seconds(options.within)) }
  }
  if (pattern === 'bursts') {
    const options = { within: text('within'), least: text('least') }
    return { what: 'bursts', options, find: bursts(seconds(options.within), options.least) }
  }
  const trust = await trustFrom(text('trust'))
  const options = { for: text('for') }
  const find = async (trail: Trail, filter: TrailFilter): Promise<Found> => {
    const found = await trail.find(pattern as FindPattern, filter, { unusedFor: options.for, trust })
    return shown(ROW_COLUMNS, found.rows, found.truncated, (row: TrailRow) => rowJson(row))
  }
  return { what: 'rows', options, find }
}

function seconds(within = '5m'): number {
  return Math.ceil(durationMs(within, 'within') / 1000)
}

const reversals =
  (within: number) =>
  async (trail: Trail, filter: TrailFilter): Promise<Found> => {
    const found = await trail.reversals(filter, { within })
    return shown(REVERSAL_COLUMNS, found.reversals, found.truncated, (one) => JSON.stringify(one))
  }

const bursts =
  (within: number, least: string | undefined) =>
  async (trail: Trail, filter: TrailFilter): Promise<Found> => {
    const found = await trail.bursts(filter, { within, least })
    return shown(BURST_COLUMNS, found.bursts, found.truncated, (one) => JSON.stringify(one))
  }

function shown<Row>(
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
  truncated: boolean,
  line: (row: Row) => string,
): Found {
  return { lines: rows.map(line), truncated, asTable: () => table(columns, rows, hasColours(process.stdout)) }
}

const second = (time: string): string => `${time.slice(0, 19).replace('T', ' ')}Z`

const REVERSAL_COLUMNS: readonly TableColumn<Reversal>[] = [
  { title: 'ALLOWED', value: ({ allowed }) => second(allowed) },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'WHO', value: ({ value }) => value ?? '(unknown)' },
  { title: 'DENIED', value: ({ denied }) => second(denied) },
  { title: 'AS', value: ({ denied_outcome }) => denied_outcome, style: () => 'bad' },
  { title: 'ALLOWED ID', value: ({ allowed_id }) => allowed_id, isNumber: true, style: () => 'quiet' },
  { title: 'DENIED ID', value: ({ denied_id }) => denied_id, isNumber: true, style: () => 'quiet' },
]

const BURST_COLUMNS: readonly TableColumn<Burst>[] = [
  { title: 'WHO', value: ({ value }) => value ?? '(unknown)' },
  { title: 'DENIALS', value: ({ denials }) => denials, isNumber: true, style: () => 'bad' },
  { title: 'CREDENTIALS', value: ({ credentials }) => credentials, isNumber: true },
  { title: 'SOURCES', value: ({ sources }) => sources, isNumber: true },
  { title: 'BEGAN', value: ({ began }) => second(began) },
  { title: 'ENDED', value: ({ ended }) => second(ended) },
  { title: 'OUTCOMES', value: ({ outcomes }) => outcomes.join(', ') },
]
