import type { Command } from 'commander'
import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import type { QuarantinedItem } from '../../postgres/quarantine/quarantine.js'
import type { Flags } from '../read-flags.js'
import { withQuarantine } from './quarantine-session.js'
import { hasColours, table, type TableColumn } from './table.js'

const MOST = 10_000

const COLUMNS: readonly TableColumn<QuarantinedItem>[] = [
  { title: 'ID', value: ({ quarantineId }) => `${quarantineId}`, isNumber: true },
  { title: 'RECEIVED', value: ({ receivedAt }) => new Date(receivedAt / 1000).toISOString() },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'SENDER', value: ({ sender }) => sender },
  { title: 'SERVICE', value: ({ serviceName }) => serviceName },
  { title: 'TRACE', value: ({ traceId }) => traceId },
  { title: 'BYTES', value: ({ bytes }) => bytes, isNumber: true },
  { title: 'DECISION', value: ({ decision }) => decision },
]

export async function run(flags: Flags, command: Command): Promise<void> {
  const { limit, format = 'table' } = flags
  if (!/^\d{1,5}$/.test(String(limit)) || Number(limit) > MOST) {
    command.error(`--limit must be an integer up to ${MOST}`)
  }
  if (format !== 'table' && format !== 'json') command.error('--format must be table or json')
  await withQuarantine(flags, async ({ quarantine, record }) => {
    const items = await quarantine.list(flags['all'] === true, Number(limit))
    await record('list', { rows: items.length })
    process.stdout.write(format === 'json' ? json(items) : shown(items))
  })
}

function shown(items: readonly QuarantinedItem[]): string {
  return items.length === 0 ? 'Nothing is kept.\n' : table(COLUMNS, items, hasColours(process.stdout))
}

function json(items: readonly QuarantinedItem[]): string {
  const rows = items.map((item) => JSON.stringify({ ...item, quarantineId: `${item.quarantineId}` }))
  return visibleJson(`[${rows.map((row) => `\n${row}`).join(',')}]\n`)
}
