import type { Command } from 'commander'
import { type Hold, heldCredentials, insertHold, readHolds } from '../../archive/holds.js'
import { readRetirements, type Retirement } from '../../archive/retirement-state.js'
import { holdRow } from '../../event/self-rows.js'
import { firstIdOf } from '../../event/snowflake.js'
import { wallClock } from '../../host/globals.js'
import { visibleLines } from '../../host/visible.js'
import { parseTime } from '../../query/time.js'
import { tellMarks } from './held-archives.js'
import { type HoldFlags, withHolds } from './hold-session.js'
import { operator } from './trail-writer.js'

interface HoldAddFlags extends HoldFlags {
  readonly credential?: string
  readonly from?: string
  readonly to?: string
  readonly reason?: string
}

/** Names that are shown one by one. */
const MOST_NAMES = 20
/** As of an event. */
const LONGEST_CREDENTIAL = 513
const LONGEST_REASON = 500

export async function run(flags: HoldAddFlags, command: Command): Promise<void> {
  const { credential = '', reason = '' } = flags
  if (credential === '' || credential.length > LONGEST_CREDENTIAL)
    command.error('--credential NAME is required')
  if (reason === '' || reason.length > LONGEST_REASON)
    command.error('--reason TEXT is required: up to 500 characters')
  const time = (name: 'from' | 'to'): number | undefined => {
    const text = flags[name]
    const micros = text === undefined ? undefined : parseTime(text, wallClock())
    if (text !== undefined && micros === undefined)
      command.error(`--${name} takes a time: RFC 3339, a date, or -30d`)
    return micros
  }
  const [from, to] = [time('from'), time('to')]
  if (from !== undefined && to !== undefined && from >= to) command.error('--from is not before --to')
  const marks = await withHolds(flags, true, async ({ schema, ask, record }) => {
    const { actorId } = operator()
    const id = await ask((client) =>
      insertHold(client, schema, { credential, reason, addedBy: actorId, from, to }),
    )
    const names = await ask((client) => heldCredentials(client, schema, credential, MOST_NAMES + 1))
    const active = (await ask((client) => readHolds(client, schema))).filter(isActive)
    const retirements = await ask((client) => readRetirements(client, schema))
    const retired = retirements.filter((one) => isAbout(one, from, to))
    await record(
      holdRow(
        {
          action: 'add',
          hold: id,
          credential,
          reason,
          ...(flags.from !== undefined && { from: flags.from }),
          ...(flags.to !== undefined && { to: flags.to }),
        },
        operator(),
      ),
    )
    process.stdout.write(
      visibleLines([`hold ${id} on ${credential}`, ...namesOf(names), ...retired.map(whereIs), '']),
    )
    return { retirements, about: active.filter((one) => one.id === id), active }
  })
  await tellMarks(marks)
}

function isActive({ releasedAt }: Hold): boolean {
  return releasedAt === null
}

function namesOf(names: readonly string[]): readonly string[] {
  if (names.length === 0) return ['  no credential of the trail has that name']
  const more = names.length > MOST_NAMES ? ['  … and more'] : []
  return [...names.slice(0, MOST_NAMES).map((name) => `  ${name}`), ...more]
}

function isAbout(
  { from, to, state }: Retirement,
  fromUs: number | undefined,
  toUs: number | undefined,
): boolean {
  if (state === 'archived') return false
  const first = fromUs === undefined ? undefined : firstIdOf(Math.floor(fromUs / 1000))
  const end = toUs === undefined ? undefined : firstIdOf(Math.ceil(toUs / 1000))
  return (first === undefined || to > first) && (end === undefined || from === undefined || from < end)
}

/** What a hold comes too late for, or just in time. */
function whereIs({ name, state, place }: Retirement): string {
  if (state === 'retiring' || state === 'detached')
    return `${name} is being retired: what is held of it will be put back`
  return place === null
    ? `${name} was retired, without an archive`
    : `${name} was retired: it is in the archive ${place}. Keep that, as long as the hold lasts`
}
