import type { ClientBase } from 'pg'
import { quoteIdentifier, quotedSchema } from '../postgres/schema-name.js'
import type { PartitionRange } from './partition-reader.js'

/** Rows that nothing may retire. */
export interface Hold {
  readonly id: string
  /** Exact, or a prefix and `*`. */
  readonly credential: string
  /** Of `occurred_at`, RFC 3339: from here on, and before. Null: without a bound on that side. */
  readonly from: string | null
  readonly to: string | null
  readonly reason: string
  readonly addedBy: string
  readonly addedAt: string
  readonly releasedBy: string | null
  readonly releasedAt: string | null
}

export type NewHold = Pick<Hold, 'credential' | 'reason' | 'addedBy'> & {
  /** µs since the Unix epoch. */
  readonly from: number | undefined
  readonly to: number | undefined
}

/**
 * `hold` and every step of `retire` that removes something take this lock, for one transaction: whichever comes first, the other
 * one sees it.
 */
export async function lockHolds(client: ClientBase, schema: string): Promise<void> {
  await client.query(`lock table ${quotedSchema(schema)}.secret_audit_hold in share row exclusive mode`)
}

const RFC3339 = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`

export async function readHolds(client: ClientBase, schema: string): Promise<readonly Hold[]> {
  const { rows } = await client.query<Hold>(
    `select hold_id::text as id, credential, ${RFC3339('from_time')} as from, ${RFC3339('to_time')} as to, reason,
       added_by as "addedBy", ${RFC3339('added_at')} as "addedAt", released_by as "releasedBy",
       ${RFC3339('released_at')} as "releasedAt"
     from ${quotedSchema(schema)}.secret_audit_hold order by hold_id`,
  )
  return rows
}

/** In a transaction that has the lock. @returns its id */
export async function insertHold(client: ClientBase, schema: string, hold: NewHold): Promise<string> {
  const { credential, from, to, reason, addedBy } = hold
  const { rows } = await client.query<{ id: string }>(
    `insert into ${quotedSchema(schema)}.secret_audit_hold (credential, from_time, to_time, reason, added_by)
     values ($1, 'epoch'::timestamptz + $2::float8 * interval '1 microsecond',
       'epoch'::timestamptz + $3::float8 * interval '1 microsecond', $4, $5)
     returning hold_id::text as id`,
    [credential, from ?? null, to ?? null, reason, addedBy],
  )
  return rows[0]?.id ?? ''
}

/** In a transaction that has the lock. @returns the hold; undefined when there is none, or it was released before */
export async function endHold(
  client: ClientBase,
  schema: string,
  id: string,
  releasedBy: string,
): Promise<Pick<Hold, 'credential' | 'reason'> | undefined> {
  const { rows } = await client.query<Pick<Hold, 'credential' | 'reason'>>(
    `update ${quotedSchema(schema)}.secret_audit_hold set released_by = $2, released_at = clock_timestamp()
     where hold_id = $1::bigint and released_at is null returning credential, reason`,
    [id, releasedBy],
  )
  return rows[0]
}

/** The pattern of LIKE for a credential of a hold: exact, or a prefix. */
function holdPattern(credential: string): string {
  const isPrefix = credential.endsWith('*')
  const text = isPrefix ? credential.slice(0, -1) : credential
  return `${text.replaceAll(/[\\%_]/g, '\\$&')}${isPrefix ? '%' : ''}`
}

/** The holds that are not released and of which a partition has a row, attached or not. */
export async function holdsOn(
  client: ClientBase,
  schema: string,
  { name }: PartitionRange,
): Promise<readonly Pick<Hold, 'id' | 'credential' | 'reason'>[]> {
  const { rows: active } = await client.query<{ id: string; credential: string; reason: string }>(
    `select hold_id::text as id, credential, reason from ${quotedSchema(schema)}.secret_audit_hold
     where released_at is null order by hold_id`,
  )
  const found: Pick<Hold, 'id' | 'credential' | 'reason'>[] = []
  for (const hold of active) {
    const { rows } = await client.query<{ held: boolean }>(
      `select exists (
         select from ${quotedSchema(schema)}.${quoteIdentifier(name)} as row
         join ${quotedSchema(schema)}.secret_audit_hold hold on hold.hold_id = $1::bigint
         where row.credential like $2
           and coalesce(row.occurred_at >= hold.from_time, true) and coalesce(row.occurred_at < hold.to_time, true)
       ) as held`,
      [hold.id, holdPattern(hold.credential)],
    )
    if (rows[0]?.held === true) found.push(hold)
  }
  return found
}

/** Credentials of the trail that a hold is about, the first of them by name. */
export async function heldCredentials(
  client: ClientBase,
  schema: string,
  credential: string,
  most: number,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ credential: string }>(
    `select distinct credential from ${quotedSchema(schema)}.secret_audit where credential like $1
     order by credential limit $2::int`,
    [holdPattern(credential), most],
  )
  return rows.map((row) => row.credential)
}
