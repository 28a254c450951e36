import type { Command } from 'commander'
import { type Hold, readHolds } from '../../archive/holds.js'
import { JSON } from '../../host/globals.js'
import { visibleJson } from '../../host/visible.js'
import { type HoldFlags, withHolds } from './hold-session.js'
import { hasColours, table, type TableColumn } from './table.js'

interface HoldListFlags extends HoldFlags {
  readonly all?: boolean
  readonly format?: string
}

const COLUMNS: readonly TableColumn<Hold>[] = [
  { title: 'ID', value: ({ id }) => id, isNumber: true },
  { title: 'CREDENTIAL', value: ({ credential }) => credential },
  { title: 'FROM', value: ({ from }) => from ?? '' },
  { title: 'TO', value: ({ to }) => to ?? '' },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'BY', value: ({ addedBy }) => addedBy },
  { title: 'SINCE', value: ({ addedAt }) => addedAt },
  { title: 'RELEASED', value: ({ releasedAt }) => releasedAt ?? '' },
]

export async function run(flags: HoldListFlags, command: Command): Promise<void> {
  const { all = false, format } = flags
  if (format !== 'table' && format !== 'json') command.error('--format must be table or json')
  await withHolds(flags, false, async ({ schema, ask }) => {
    const holds = (await ask((client) => readHolds(client, schema))).filter(
      (hold) => all || hold.releasedAt === null,
    )
    if (format === 'json') process.stdout.write(visibleJson(`${JSON.stringify(holds, undefined, 2)}\n`))
    else
      process.stdout.write(
        holds.length === 0 ? 'Nothing is held.\n' : table(COLUMNS, holds, hasColours(process.stdout)),
      )
  })
}
