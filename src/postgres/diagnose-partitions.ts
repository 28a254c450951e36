import type { ClientBase } from 'pg'
import type { HealthFinding } from '../contract/sink.js'
import { snowflakeTime } from '../event/snowflake.js'
import { wallClock } from '../host/globals.js'
import type { Diagnosis } from './diagnosis.js'
import { type Growth, growthOf, isWider, sizeOf, widestFitting } from './partition-growth.js'
import {
  type Gap,
  listPartitions,
  partitionGaps,
  partitionWidth,
  type PartitionWidth,
  pendingPartitions,
} from './partitions.js'
import { quotedSchema } from './schema-name.js'

const DAY_MS = 86_400_000
const MIB = 1_048_576

/** Fewer ahead are worth an alarm: inserts stop when there is none left. With the days of one. */
const AHEAD: Readonly<Record<PartitionWidth, { readonly least: number; readonly days: number }>> = {
  month: { least: 3, days: 30 },
  week: { least: 2, days: 7 },
  day: { least: 4, days: 1 },
}

/**
 * Beyond it, what is not bounded by ids is slow: the newest page of the whole trail took 0.4 ms with 24 partitions, 2 ms with 100,
 * 24 ms with 400, 53 ms with 730.
 */
const MOST_PARTITIONS = 128

/** A table and its six indexes: each is locked by a statement that reads the whole trail. */
const LOCKS_OF_PARTITION = 7
/** Connections of one process that reads, as it is by default. */
const READERS = 4

/** Partitions: whether rows have a place, now and for a while, and whether their number and width suit the trail. */
export async function diagnosePartitions(client: ClientBase, schema: string): Promise<Diagnosis> {
  const partitions = await listPartitions(client, schema)
  const width = await partitionWidth(client, schema)
  const growth = await growthOf(client, schema, partitions, wallClock())
  const end = partitions.at(-1)?.toId
  const until = end === undefined ? undefined : snowflakeTime(end)
  const findings = [
    ...ahead(until, width),
    ...(await partitionGaps(client, schema)).map(gapFinding),
    ...(await pendingPartitions(client, schema)).map((name) => pendingFinding(schema, name)),
    ...tooMany(partitions.length, width, growth),
    ...tooFewLocks(partitions.length, await serverLocks(client)),
    ...tooWide(width, growth),
  ]
  const state = until === undefined ? 'none' : `${partitions.length}, one a ${width}, up to ${dateOf(until)}`
  return { check: 'partitions', state, findings }
}

function ahead(until: number | undefined, width: PartitionWidth): HealthFinding[] {
  const { least, days } = AHEAD[width]
  const units = until === undefined ? 0 : Math.floor((until - wallClock()) / (days * DAY_MS))
  if (units >= least) return []
  const message = `only ${Math.max(0, units)} ${width}s of partitions are ahead; run \`otel-audit migrate\`, from cron if no service of this version writes here`
  return [finding('error', message)]
}

function gapFinding({ fromId, toId }: Gap): HealthFinding {
  const [from, to] = [snowflakeTime(fromId), snowflakeTime(toId)]
  const what = `no partition takes the ids from ${fromId} to ${toId - 1n} (${timeOf(from)} to ${timeOf(to)}), and they were not retired: somebody removed a partition`
  return to > wallClock()
    ? finding('error', `${what}; run \`otel-audit migrate\``)
    : finding(
        'warning',
        `${what}. Rows that it had are reported by \`otel-audit verify\`; a writer makes it again for an event of that time`,
      )
}

function pendingFinding(schema: string, name: string): HealthFinding {
  const trail = quotedSchema(schema)
  return finding(
    'warning',
    `the detachment of ${name} was begun and not finished, and readers do not see its rows: \`otel-audit retire\` finishes what it began; else, as the owner: alter table ${trail}.secret_audit detach partition ${trail}.${name} finalize`,
  )
}

/** @param growth undefined: not known yet */
export function tooMany(count: number, width: PartitionWidth, growth: Growth | undefined): HealthFinding[] {
  if (count <= MOST_PARTITIONS) return []
  const fitting = growth === undefined ? undefined : widestFitting(growth)
  const wider =
    fitting !== undefined && isWider(fitting, width)
      ? ` or \`otel-audit migrate --partition-width ${fitting}\``
      : ''
  return [
    finding(
      'warning',
      `there are ${count} partitions, and what reads the whole trail takes longer with each: at most ${MOST_PARTITIONS} are advised. \`otel-audit archive\` and \`otel-audit retire\` what is old${wider}`,
    ),
  ]
}

async function serverLocks(client: ClientBase): Promise<ServerLocks> {
  const { rows } = await client.query<ServerLocks>(
    `select current_setting('max_locks_per_transaction')::int as locks,
       current_setting('max_connections')::int as connections`,
  )
  return rows[0] ?? { locks: 0, connections: 1 }
}

/** `max_locks_per_transaction` and `max_connections`: the server has room for their product. */
interface ServerLocks {
  readonly locks: number
  readonly connections: number
}

export function tooFewLocks(partitions: number, { locks, connections }: ServerLocks): HealthFinding[] {
  const needed = Math.ceil((2 * partitions * LOCKS_OF_PARTITION * READERS) / connections)
  if (locks >= needed) return []
  return [
    finding(
      'warning',
      `max_locks_per_transaction is ${locks}: with ${partitions} partitions, ${READERS} readers of the whole trail may need ${needed}, and without them a statement fails ("out of shared memory"). Set it in postgresql.conf, and restart the server`,
    ),
  ]
}

/** @param growth undefined: not known yet */
export function tooWide(width: PartitionWidth, growth: Growth | undefined): HealthFinding[] {
  if (growth === undefined) return []
  const fitting = widestFitting(growth)
  if (fitting === width || !isWider(width, fitting)) return []
  const { rows, bytes } = sizeOf(growth, width)
  const narrower = fitting ?? 'day'
  const advice = narrower === width ? '' : `\`otel-audit migrate --partition-width ${narrower}\`, or `
  return [
    finding(
      'warning',
      `a ${width} grows to ${millions(rows)} rows, and its index by credentials to ${Math.ceil(bytes / MIB)} MiB, more than shared_buffers (${Math.round(growth.sharedBuffers / MIB)} MiB): an insert then takes the server up to twice as long. ${advice}more shared_buffers`,
    ),
  ]
}

const millions = (rows: number): string => `${(rows / 1_000_000).toFixed(1)} million`
const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const timeOf = (ms: number): string => new Date(ms).toISOString()

function finding(level: HealthFinding['level'], message: string): HealthFinding {
  return { level, check: 'partitions', message }
}
