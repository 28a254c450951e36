import type { ClientBase } from 'pg'
import { quotedSchema } from './schema-name.js'

/** How wide a partition can be. Weeks begin on Monday; all of them at midnight, UTC. */
export const PARTITION_WIDTHS = Object.freeze(['month', 'week', 'day'] as const)

export type PartitionWidth = (typeof PARTITION_WIDTHS)[number]

/**
 * Makes the partitions that are missing: of the previous unit of the width, the current one, and those that are kept ahead (12
 * months, 8 weeks, 14 days). What of a unit is covered stays as it is, and the rest of it is made.
 * Inserts go on meanwhile, also behind a long reader. Needs EXECUTE on the function only, as the writer role has it.
 *
 * @param ahead how many units after the current one. Default: all that are kept ahead
 * @returns the names of the partitions it made
 */
export async function ensurePartitions(
  client: ClientBase,
  schema: string,
  ahead?: number | null,
): Promise<string[]> {
  const [units, values] = ahead === undefined ? ['', []] : ['$1', [ahead]]
  const { rows } = await client.query<{ partition: string }>(
    `select partition from ${quotedSchema(schema)}.secret_audit_ensure_partitions(${units}) as partition`,
    values,
  )
  return rows.map((row) => row.partition)
}

/** The width in which partitions are made. Every role that may read or write the trail may ask. */
export async function partitionWidth(client: ClientBase, schema: string): Promise<PartitionWidth> {
  const { rows } = await client.query<{ width: PartitionWidth }>(
    `select width from ${quotedSchema(schema)}.secret_audit_partitioning`,
  )
  return rows[0]?.width ?? 'month'
}

/**
 * Makes the partition for one id that has none, when the id's time is inside the kept range: from the oldest existing
 * partition to what is kept ahead, without what was retired.
 *
 * @returns the name of the partition it made; undefined when the id had one already
 * @throws the database's error with SQLSTATE 22023 for an id outside the kept range
 */
export async function ensurePartitionFor(
  client: ClientBase,
  schema: string,
  auditId: bigint,
): Promise<string | undefined> {
  const { rows } = await client.query<{ partition: string | null }>(
    `select ${quotedSchema(schema)}.secret_audit_ensure_partition_for($1) as partition`,
    [auditId.toString()],
  )
  return rows[0]?.partition ?? undefined
}

/** One partition of the trail. It holds the ids from `fromId` up to, but without, `toId`. */
export interface Partition {
  readonly name: string
  /** Undefined: no lower bound (a table that was adopted). */
  readonly fromId: bigint | undefined
  readonly toId: bigint | undefined
}

/** Names of the partitions whose detachment was begun and not finished: no new snapshot sees their rows. */
export async function pendingPartitions(client: ClientBase, schema: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ partition: string }>(
    `select partition from ${quotedSchema(schema)}.secret_audit_pending()`,
  )
  return rows.map(({ partition }) => partition)
}

/** The partitions that take rows, oldest first. Every role that may read or write the trail may ask. */
export async function listPartitions(client: ClientBase, schema: string): Promise<Partition[]> {
  const { rows } = await client.query<{ partition: string; from_id: string | null; to_id: string | null }>(
    `select partition, from_id::text, to_id::text from ${quotedSchema(schema)}.secret_audit_partitions()`,
  )
  return rows.map((row) => ({
    name: row.partition,
    fromId: row.from_id === null ? undefined : BigInt(row.from_id),
    toId: row.to_id === null ? undefined : BigInt(row.to_id),
  }))
}

/** Ids from `fromId` up to, but without, `toId`. */
export interface Gap {
  readonly fromId: bigint
  readonly toId: bigint
}

/** What lies between the partitions, and was not retired. Every role that may read or write the trail may ask. */
export async function partitionGaps(client: ClientBase, schema: string): Promise<readonly Gap[]> {
  const { rows } = await client.query<{ from_id: string; to_id: string }>(
    `select from_id::text, to_id::text from ${quotedSchema(schema)}.secret_audit_gaps()`,
  )
  return rows.map((row) => ({ fromId: BigInt(row.from_id), toId: BigInt(row.to_id) }))
}
