import type { ClientBase } from 'pg'
import type { Connection } from '../postgres/connection.js'
import { listPartitions } from '../postgres/partitions.js'
import { quotedSchema } from '../postgres/schema-name.js'
import { isServerError } from '../postgres/faults.js'
import { AuditError } from '../errors.js'
import type { StoredLeaf } from '../verify/source.js'
import { LeafSum, type LeafSet } from '../verify/leaf-digests.js'
import type { PartitionRange } from './partition-reader.js'

/**
 * How far the retirement of a partition has come:
 *
 * ```
 *  archived ──► retiring ──► detached ──► dropped ──► retired
 *     ▲             │            │
 *     └──── held: attached again ┘
 * ```
 *
 * `archived`: proven where it was put. `retiring`: a signed row of the trail says that its rows may be gone. `detached`: no
 * snapshot sees it, and nothing can be added. `dropped`: gone. `retired`: a signed row says so.
 */
export type RetirementState = 'archived' | 'retiring' | 'detached' | 'dropped' | 'retired'

export interface Retirement extends PartitionRange {
  readonly state: RetirementState
  /** Of the archive. Null: retired without one. */
  readonly place: string | null
  /** SHA-256 of the manifests, hex, oldest first. */
  readonly manifests: readonly string[]
  readonly rows: number
}

interface StateRow {
  readonly partition: string
  readonly from_id: string | null
  readonly to_id: string
  readonly state: RetirementState
  readonly place: string | null
  readonly manifests: string
  readonly row_count: string
}

/** The partitions of which something is known, oldest first. */
export async function readRetirements(client: ClientBase, schema: string): Promise<readonly Retirement[]> {
  const { rows } = await client.query<StateRow>(
    `select partition, from_id::text, to_id::text, state, place, array_to_string(manifests, ' ') as manifests, row_count::text
     from ${quotedSchema(schema)}.secret_audit_retirement order by to_id`,
  )
  return rows.map((row) => ({
    name: row.partition,
    from: row.from_id === null ? undefined : BigInt(row.from_id),
    to: BigInt(row.to_id),
    state: row.state,
    place: row.place,
    manifests: row.manifests === '' ? [] : row.manifests.split(' '),
    rows: Number(row.row_count),
  }))
}

/** Writes it, whatever was there before. */
export async function writeRetirement(
  client: ClientBase,
  schema: string,
  { name, from, to, state, place, manifests, rows }: Retirement,
  note: string | null = null,
): Promise<void> {
  await client.query(
    `insert into ${quotedSchema(schema)}.secret_audit_retirement as known
       (partition, from_id, to_id, state, place, manifests, row_count, note)
     values ($1, $2::bigint, $3::bigint, $4, $5, coalesce(string_to_array(nullif($6, ''), ' '), '{}'), $7::bigint, $8)
     on conflict (to_id) do update set partition = excluded.partition, from_id = excluded.from_id, state = excluded.state,
       place = excluded.place, manifests = excluded.manifests, row_count = excluded.row_count,
       note = coalesce(excluded.note, known.note), changed_at = clock_timestamp()`,
    [name, from?.toString() ?? null, String(to), state, place, manifests.join(' '), String(rows), note],
  )
}

/** Keeps leaf digests of the partition. Those that are there stay. */
export async function keepLeaves(
  client: ClientBase,
  schema: string,
  leaves: readonly StoredLeaf[],
): Promise<void> {
  const values = [
    `{${leaves.map(({ chain }) => chain).join(',')}}`,
    `{${leaves.map(({ block }) => block).join(',')}}`,
    `{${leaves.map(({ index }) => index).join(',')}}`,
    leaves.map(({ digest }) => Buffer.from(digest).toString('hex')).join(' '),
    leaves[0]?.partition ?? '',
  ]
  await client.query(
    `insert into ${quotedSchema(schema)}.secret_audit_leaf (chain_id, block_no, block_index, digest, partition)
     select chain, block, index, decode(digest, 'hex'), $5
     from unnest($1::uuid[], $2::bigint[], $3::int[], string_to_array($4, ' ')) as leaf (chain, block, index, digest)
     on conflict do nothing`,
    values,
  )
}

/** What is kept of a partition, as a retention note says it. */
export async function leafSetOf(client: ClientBase, schema: string, partition: string): Promise<LeafSet> {
  const { rows } = await client.query<{ chain: string; block: string; index: string; digest: string }>(
    `select replace(chain_id::text, '-', '') as chain, block_no::text as block, block_index::text as index,
       encode(digest, 'hex') as digest
     from ${quotedSchema(schema)}.secret_audit_leaf where partition = $1`,
    [partition],
  )
  const sum = new LeafSum()
  for (const { chain, block, index, digest } of rows) {
    sum.add({ chain, block: Number(block), index: Number(index), digest: Buffer.from(digest, 'hex') })
  }
  return sum.set
}

/** The attached partitions that lie wholly below an id, oldest first. */
export async function partitionsBelow(
  client: ClientBase,
  schema: string,
  bound: bigint,
): Promise<readonly PartitionRange[]> {
  const all = await listPartitions(client, schema)
  return all.flatMap(({ name, fromId, toId }) =>
    toId === undefined || toId > bound ? [] : [{ name, from: fromId, to: toId }],
  )
}

const LOCK_NOT_AVAILABLE = '55P03'
const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Sees to it that no other archive or retirement of the trail runs, for as long as the session is open.
 *
 * @throws AuditError `AUDIT_RETENTION` when one does, or for a login that is not the owner's
 */
export async function lockRetirement(session: Connection, schema: string): Promise<void> {
  await session.run(async (client) => {
    await client.query('begin')
    try {
      await client.query(
        `lock table ${quotedSchema(schema)}.secret_audit_retirement in share update exclusive mode nowait`,
      )
    } catch (error) {
      if (!isServerError(error)) throw error
      if (error.code === LOCK_NOT_AVAILABLE) {
        throw new AuditError('AUDIT_RETENTION', 'another archive or retirement of this trail is running', {
          remedy: 'Let it end. If it was killed, its session ends within seconds.',
        })
      }
      if (error.code !== INSUFFICIENT_PRIVILEGE) throw error
      throw new AuditError('AUDIT_RETENTION', `only the owner of schema ${schema} may archive and retire`, {
        remedy: 'Run it with the login that runs `otel-audit migrate`.',
        cause: error,
      })
    }
  })
}
