import { JSON } from '../../host/globals.js'
import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import { firstIdOf, snowflakeTime } from '../../event/snowflake.js'
import { grantStatements } from './adopt-grants.js'
import { indexRenames, indexSteps } from './adopt-indexes.js'
import { type ExistingTable, hasAddedColumns, objections } from './adopt-table.js'
import { type Migration, migrationSql } from '../migrate/migration-files.js'
import type { MigrationStep } from '../migrate/migration-step.js'
import { rightsSql } from '../migrate/rights.js'
import { quotedSchema } from '../schema-name.js'
import { readSql, renderSql } from '../sql-text.js'

/** The migration that makes the trail. While it is pending, a table of that name is somebody else's. */
export const TRAIL_MIGRATION = 2

const DAY_MS = 24 * 60 * 60 * 1000

/** What the plan of an adoption needs to know. */
export interface Adoption {
  readonly table: ExistingTable
  readonly schema: string
  /** ms since the Unix epoch. */
  readonly nowMs: number
  /** Those that make the trail and its partitions: they run in the step that attaches the table. */
  readonly migrations: readonly Migration[]
}

/**
 * What makes an existing unpartitioned table the first partition of the trail: no row is moved, copied or lost, and
 * inserts go on. The steps follow from what the database looks like, so an adoption that was interrupted anywhere is
 * continued by planning it again.
 *
 * All but the last prepare the table online. The bound comes late: while its check is on the table and the adoption is
 * not finished, an id beyond it is refused, and that is at least 24 h away.
 *
 * @throws AuditError `AUDIT_MIGRATION` with every reason why this table cannot be adopted
 */
export async function planAdoption(client: ClientBase, adoption: Adoption): Promise<MigrationStep[]> {
  const { table, schema, nowMs } = adoption
  refuse(schema, objections(table))
  const newestMs = await newestTime(client, schema, nowMs)
  const leastMs = Math.max(nowMs, newestMs) + DAY_MS
  const left = table.bound?.id === undefined || table.bound.id === null ? undefined : BigInt(table.bound.id)
  const reusable = left !== undefined && snowflakeTime(left) >= leastMs
  const bound = reusable ? left : firstIdOf(nextMonth(leastMs))
  return [
    ...(hasAddedColumns(table) ? [] : [await columnsStep(schema)]),
    ...indexSteps(table, schema),
    ...(reusable ? [] : [boundStep(schema, bound)]),
    ...(reusable && table.bound?.valid === true ? [] : [validateStep(schema)]),
    await attachStep(adoption, bound),
  ]
}

/**
 * Takes away the check on the ids of a table whose adoption failed: if it stayed, the table would refuse every insert from
 * the bound on.
 */
export function releaseBoundStep(schema: string): MigrationStep {
  return {
    title: 'adopt: take the check on the ids off again',
    sql: `alter table ${quotedSchema(schema)}.secret_audit drop constraint if exists secret_audit_adoption_bound;`,
    mode: 'transaction',
  }
}

async function columnsStep(schema: string): Promise<MigrationStep> {
  return {
    title: 'adopt: add the columns the table lacks',
    sql: renderSql(await readSql('./adopt-columns.sql', import.meta.url), schema),
    mode: 'transaction',
  }
}

function boundStep(schema: string, bound: bigint): MigrationStep {
  const table = `${quotedSchema(schema)}.secret_audit`
  return {
    title: `adopt: check that new ids are from before ${day(bound)}`,
    sql: `alter table ${table} drop constraint if exists secret_audit_adoption_bound;
alter table ${table} add constraint secret_audit_adoption_bound check (audit_id < ${bound}) not valid;`,
    mode: 'transaction',
  }
}

function validateStep(schema: string): MigrationStep {
  return {
    title: 'adopt: check that all ids are',
    sql: `alter table ${quotedSchema(schema)}.secret_audit validate constraint secret_audit_adoption_bound;`,
    mode: 'online',
  }
}

/** The one short step under an exclusive lock; everything in it is a change of the catalogue. */
async function attachStep({ table, schema, migrations }: Adoption, bound: bigint): Promise<MigrationStep> {
  const quoted = quotedSchema(schema)
  return {
    title: `adopt: attach the table as the partition of all ids before ${day(bound)}`,
    sql: [
      `lock table ${quoted}.secret_audit in access exclusive mode;`,
      `alter table ${quoted}.secret_audit rename to secret_audit_adopted;`,
      ...indexRenames(table, schema),
      ...migrations.map((migration) => migrationSql(migration, schema)),
      await rightsSql(schema, 'on the trail'),
      ...grantStatements(table.grants, schema),
      renderSql(await readSql('./adopt-attach.sql', import.meta.url), schema, { BOUND: bound.toString() }),
    ].join('\n'),
    mode: 'transaction',
  }
}

/** ms since the Unix epoch of the newest id. */
async function newestTime(client: ClientBase, schema: string, nowMs: number): Promise<number> {
  const { rows } = await client.query<{ newest: string | null; count: string; beyond: string }>(
    renderSql(await readSql('./adopt-newest.sql', import.meta.url), schema),
    [firstIdOf(nowMs + DAY_MS).toString()],
  )
  const [found] = rows
  if (!found || found.newest === null) return 0
  const beyond = JSON.parse(found.beyond) as readonly string[]
  if (beyond.length > 0) {
    refuse(schema, [
      `${found.count} of its ids are more than 24 h ahead of the clock, as if made from another epoch than 2024-01-01: ${beyond.join(', ')}${Number(found.count) > beyond.length ? ', …' : ''}`,
    ])
  }
  return snowflakeTime(BigInt(found.newest))
}

function refuse(schema: string, reasons: readonly string[]): void {
  if (reasons.length === 0) return
  throw new AuditError(
    'AUDIT_MIGRATION',
    `the existing ${schema}.secret_audit cannot be adopted: ${reasons.join('; ')}`,
  )
}

/** The first start of a month (UTC) that is not before the given time. */
function nextMonth(ms: number): number {
  const time = new Date(ms)
  const start = Date.UTC(time.getUTCFullYear(), time.getUTCMonth())
  return start === ms ? start : Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1)
}

function day(id: bigint): string {
  return new Date(snowflakeTime(id)).toISOString().slice(0, 10)
}
