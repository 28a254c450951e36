import type { ClientBase } from 'pg'
import { quoteIdentifier, quotedSchema } from '../postgres/schema-name.js'
import type { PartitionRange } from './partition-reader.js'

/** How a table stands to the trail. `pending`: a detachment was begun, and only FINALIZE ends it. */
export type Standing = 'attached' | 'pending' | 'apart' | 'gone'

const tableOf = (schema: string, name: string): string => `${quotedSchema(schema)}.${quoteIdentifier(name)}`

export async function standingOf(client: ClientBase, schema: string, name: string): Promise<Standing> {
  const { rows } = await client.query<{ standing: Standing }>(
    `select case when c.oid is null then 'gone' when i.inhrelid is null then 'apart'
       when i.inhdetachpending then 'pending' else 'attached' end as standing
     from (select to_regclass($1)::oid as oid) c
     left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = to_regclass($2)`,
    [tableOf(schema, name), `${quotedSchema(schema)}.secret_audit`],
  )
  return rows[0]?.standing ?? 'gone'
}

/** The tables that have rows of the trail: partitions, those that are being detached, and those that are, by a retirement. */
export async function standingPartitions(
  client: ClientBase,
  schema: string,
): Promise<readonly PartitionRange[]> {
  const own = quotedSchema(schema)
  const { rows } = await client.query<{ name: string; from: string | null; to: string }>(
    `select partition as name, from_id::text as from, to_id::text as to from (
       select partition, from_id, to_id from ${own}.secret_audit_partitions()
       union
       select partition, from_id, to_id from ${own}.secret_audit_pending()
       union
       select partition, from_id, to_id from ${own}.secret_audit_retirement
       where state in ('retiring', 'detached') and to_regclass(format('%I.%I', $1::text, partition)) is not null
     ) standing
     where to_id is not null order by to_id`,
    [schema],
  )
  return rows.map(({ name, from, to }) => ({
    name,
    from: from === null ? undefined : BigInt(from),
    to: BigInt(to),
  }))
}

/**
 * Takes a partition out of the trail, while writers go on. It waits for all that use the trail; never without CONCURRENTLY, which
 * would stop all writers behind the first reader. In no transaction.
 */
export async function detach(
  client: ClientBase,
  schema: string,
  name: string,
  standing: 'attached' | 'pending',
): Promise<void> {
  const how = standing === 'pending' ? 'finalize' : 'concurrently'
  const trail = `${quotedSchema(schema)}.secret_audit`
  await client.query(`alter table ${trail} detach partition ${tableOf(schema, name)} ${how}`)
}

/** Makes it a partition again. The CHECK that the detachment left spares a look at the rows; then it goes. */
export async function attachAgain(
  client: ClientBase,
  schema: string,
  { name, from, to }: PartitionRange,
): Promise<void> {
  const table = tableOf(schema, name)
  const trail = `${quotedSchema(schema)}.secret_audit`
  await client.query(`set lock_timeout = '10s'`)
  try {
    const first = from === undefined ? 'minvalue' : `'${from}'`
    await client.query(
      `alter table ${trail} attach partition ${table} for values from (${first}) to ('${to}')`,
    )
    const { rows } = await client.query<{ name: string }>(
      `select own.conname as name from pg_constraint own where own.conrelid = to_regclass($1) and own.contype = 'c'
         and own.conislocal and not exists (
           select from pg_constraint parent where parent.conrelid = to_regclass($2) and parent.conname = own.conname)
         and pg_get_constraintdef(own.oid) ~ 'audit_id' and own.conname like '%\\_check'`,
      [table, trail],
    )
    for (const constraint of rows)
      await client.query(`alter table ${table} drop constraint ${quoteIdentifier(constraint.name)}`)
  } finally {
    await client.query('set lock_timeout = 0')
  }
}

export async function countRows(client: ClientBase, schema: string, name: string): Promise<number> {
  const { rows } = await client.query<{ rows: string }>(
    `select count(*) as rows from ${tableOf(schema, name)}`,
  )
  return Number(rows[0]?.rows ?? 0)
}

/** Nobody writes to it until the transaction ends. */
export async function lockPartition(client: ClientBase, schema: string, name: string): Promise<void> {
  await client.query(`lock table ${tableOf(schema, name)} in share mode`)
}

/** In the transaction in which its rows were compared with the archive, and no hold was found. */
export async function dropTable(client: ClientBase, schema: string, name: string): Promise<void> {
  await client.query(`drop table ${tableOf(schema, name)}`)
}
