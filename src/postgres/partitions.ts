import type { ClientBase } from 'pg'
import { quotedSchema } from './schema-name.js'

/** Months of partitions that are kept ready after the current one. */
export const PARTITIONS_AHEAD = 12

/**
 * Makes the monthly partitions that are missing: the previous month, the current one, and `ahead` more.
 * Inserts go on meanwhile, also behind a long reader. Needs EXECUTE on the function only, as the writer role has it.
 *
 * @param ahead 0 to 12 months
 * @returns the names of the partitions it made
 */
export async function ensurePartitions(
  client: ClientBase,
  schema: string,
  ahead: number = PARTITIONS_AHEAD,
): Promise<string[]> {
  const { rows } = await client.query<{ partition: string }>(
    `select partition from ${quotedSchema(schema)}.secret_audit_ensure_partitions($1) as partition`,
    [ahead],
  )
  return rows.map((row) => row.partition)
}

/**
 * Makes the partition for one id that has none, when the id's time is inside the kept range: from the oldest existing
 * partition to twelve months ahead.
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
