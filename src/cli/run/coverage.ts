import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import type { Command } from 'commander'
import { isCovered } from '../../instrument/known-clients.js'
import type { CoveredClient, FleetCoverage } from '../../query/coverage.js'
import { type Flags, formatOf } from '../read-flags.js'
import { whileWaiting } from './progress.js'
import { withTrail } from './read-session.js'
import { hasColours, table, type TableColumn } from './table.js'

const FORMATS = ['table', 'ndjson', 'json'] as const
const EXIT_NOT_COVERED = 3

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = formatOf(command, flags, FORMATS)
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const filter = { service_name: text('service'), limit: text('limit') }
  await withTrail(flags, async ({ trail, record }) => {
    const found = await whileWaiting('reading', () => trail.coverage(filter, { at: text('at') }))
    await record({
      what: 'coverage',
      filter: JSON.stringify({ ...filter, at: found.at }),
      rows: found.clients.length,
    })
    process.stdout.write(rendered(found, format))
    if (found.truncated) process.stderr.write('There are more clients: use a larger --limit\n')
    if (flags['exitCode'] === true && found.clients.some((client) => !isFine(client))) {
      process.exitCode = EXIT_NOT_COVERED
    }
  })
}

/** A client that is not hooked, and that the wire sees in its place, is. */
function isFine({ client, state }: CoveredClient): boolean {
  return isCovered({ name: client, state })
}

const COLUMNS: readonly TableColumn<CoveredClient>[] = [
  { title: 'SERVICE', value: ({ service_name }) => service_name ?? '(unknown)' },
  { title: 'CLIENT', value: ({ client }) => client },
  { title: 'VERSION', value: ({ version }) => version },
  {
    title: 'STATE',
    value: ({ state }) => state,
    style: ({ state }) => (state === 'not_hooked' || state === 'observed' ? 'bad' : undefined),
  },
  { title: 'SINCE', value: ({ since }) => since?.slice(0, 19) ?? '(unknown)' },
  { title: 'PROCESSES', value: ({ processes }) => processes, isNumber: true },
  { title: 'HOOK OR REASON', value: ({ hook, reason }) => reason ?? hook, style: () => 'quiet' },
]

function rendered(found: FleetCoverage, format: (typeof FORMATS)[number]): string {
  switch (format) {
    case 'ndjson':
      return visibleJson(found.clients.map((one) => `${JSON.stringify(one)}\n`).join(''))
    case 'json':
      return visibleJson(`${JSON.stringify(found, undefined, 2)}\n`)
    case 'table':
      return found.clients.length === 0
        ? 'No process has said how its secret clients are covered.\n'
        : table(COLUMNS, found.clients, hasColours(process.stdout))
  }
}
