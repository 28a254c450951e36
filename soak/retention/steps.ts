import { waitUntil } from '../../test/support/wait-until.js'
import { Readers } from './load.js'
import type { OldMonths } from './old-months.js'
import { filesOf, foldersOf } from './place.js'
import { Stall, type STALLS } from './stall.js'
import type { Command } from './command-line.js'

/** A moment of a command at which it is killed, and how things are then. */
export interface Step {
  readonly name: string
  /** Before it is started. @returns what has to be over before the next one */
  readonly prepare: (trail: OldMonths) => Promise<Prepared>
  /** How things are afterwards. @throws Error when they are not */
  readonly check: (trail: OldMonths, partition: string) => Promise<void>
}

interface Prepared {
  /** Resolves when it is there. */
  readonly reached: (command: Command) => Promise<unknown>
  readonly end: () => Promise<void>
}

function over(command: Command): string | undefined {
  return command.isOver ? `it has ended:\n${command.said}` : undefined
}

function stalled(
  where: keyof typeof STALLS,
  applicationName: string,
): (trail: OldMonths) => Promise<Prepared> {
  return async (trail) => {
    const stall = await Stall.at(trail, where)
    return {
      reached: (command) => stall.caught(applicationName, () => over(command)),
      end: () => stall.release(),
    }
  }
}

async function unfinished({ place }: OldMonths): Promise<readonly string[]> {
  const without: string[] = []
  for (const folder of await foldersOf(place)) {
    if (!(await filesOf(place, folder)).includes('manifest.note')) without.push(folder)
  }
  return without
}

async function stateIs(trail: OldMonths, partition: string, ...expected: readonly string[]): Promise<void> {
  const state = await stateOf(trail, partition)
  if (!expected.includes(state)) throw new Error(`${partition} is ${state}, and not ${expected.join(' or ')}`)
}

/** As the trail keeps it, and how the table stands: `archived, attached`. */
async function stateOf(trail: OldMonths, partition: string): Promise<string> {
  return trail.owner(async (client) => {
    const { rows } = await client.query<{ state: string }>(
      `select coalesce((select state from noetl.secret_audit_retirement where partition = $1), 'not archived') || ', ' ||
         case when c.oid is null then 'gone' when i.inhrelid is null then 'apart' when i.inhdetachpending then 'pending'
           else 'attached' end as state
       from (select to_regclass('noetl.' || quote_ident($1))::oid as oid) c
       left join pg_inherits i on i.inhrelid = c.oid`,
      [partition],
    )
    return rows[0]?.state ?? ''
  })
}

/** How many chains begin after blocks that were retired. */
export async function startsOf(trail: OldMonths): Promise<number> {
  return trail.owner(async (client) => {
    const { rowCount } = await client.query('select from noetl.secret_audit_chain_start')
    return rowCount ?? 0
  })
}

export const ARCHIVE_STEPS: readonly Step[] = [
  {
    name: 'while it writes a month',
    prepare: stalled('leaves', 'otel-audit archive'),
    check: async (trail, partition) => {
      await stateIs(trail, partition, 'not archived, attached')
      if ((await unfinished(trail)).length !== 1) throw new Error('it left no unfinished folder')
    },
  },
  {
    name: 'when all is written, and it is read back',
    prepare: async () => ({
      reached: (command) =>
        waitUntil('the last month', () => {
          const ended = over(command)
          if (ended !== undefined) throw new Error(ended)
          return command.said.split('\n').length > MONTHS_SAID
        }),
      end: async () => {},
    }),
    check: (trail, partition) => stateIs(trail, partition, 'not archived, attached'),
  },
  {
    name: 'when it is proven, before the trail counts it',
    prepare: stalled('new leaves', 'otel-audit archive'),
    check: async (trail, partition) => {
      await stateIs(trail, partition, 'not archived, attached')
      if ((await unfinished(trail)).length > 0) throw new Error('a folder is unfinished')
    },
  },
]

/** A line for each month that is written, or was before. */
const MONTHS_SAID = 20

/**
 * Nobody tells a backend that waits that its client is gone: the statement that it is in comes to its end, where it is not
 * in a transaction. So there may be two states after a kill of the client.
 */
export const RETIRE_STEPS: readonly Step[] = [
  {
    name: 'before the row that says retiring',
    prepare: stalled('leaves', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'archived, attached'),
  },
  {
    name: 'after that row, before the state is kept',
    prepare: stalled('states', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'archived, attached', 'retiring, attached'),
  },
  {
    name: 'while DETACH CONCURRENTLY waits for readers',
    prepare: async (trail) => {
      const readers = new Readers(trail, READERS_MS)
      return {
        reached: (command) =>
          waitUntil('the pending detachment', async () => {
            const ended = over(command)
            if (ended !== undefined) throw new Error(ended)
            return trail.owner(
              async (client) =>
                (await client.query('select from noetl.secret_audit_pending()')).rowCount === 1,
            )
          }),
        end: () => readers.end(),
      }
    },
    check: (trail, partition) => stateIs(trail, partition, 'retiring, pending', 'retiring, apart'),
  },
  {
    name: 'when it is detached, before the state is kept',
    prepare: stalled('states', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'retiring, apart', 'detached, apart'),
  },
  {
    name: 'when it is compared with the archive, before the holds are looked at',
    prepare: stalled('holds', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'detached, apart'),
  },
  {
    name: 'in the transaction that drops it',
    prepare: stalled('states', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'detached, apart'),
  },
  {
    name: 'when it is dropped, before the row that says retired',
    prepare: stalled('leaves', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'dropped, gone'),
  },
  {
    name: 'after that row, before the state is kept',
    prepare: stalled('states', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'dropped, gone', 'retired, gone'),
  },
  {
    name: 'after the row about where chains begin, before that is kept',
    prepare: stalled('starts', 'otel-audit retire'),
    check: (trail, partition) => stateIs(trail, partition, 'retired, gone'),
  },
  {
    name: 'while it removes blocks',
    prepare: stalled('blocks', 'otel-audit retire'),
    check: async (trail, partition) => {
      await stateIs(trail, partition, 'retired, gone')
      if ((await startsOf(trail)) === 0) throw new Error('no chain begins later')
    },
  },
]

/** How long each reader keeps its snapshot. */
const READERS_MS = 1500
