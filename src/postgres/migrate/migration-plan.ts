import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import { planAdoption, TRAIL_MIGRATION } from '../adopt/adopt.js'
import { withheldGrants } from '../adopt/adopt-grants.js'
import { type ExistingTable, inspectTable } from '../adopt/adopt-table.js'
import { loadMigrations, type Migration, migrationSql } from './migration-files.js'
import { type MigrationStep, schemaStep } from './migration-step.js'
import type { PartitionWidth } from '../partitions.js'
import { isOpenToPublic, rightsStep } from './rights.js'
import { type Login, planRoles } from './roles.js'
import { quoteIdentifier, quotedSchema } from '../schema-name.js'
import { refuseRenamed } from '../renamed-schema.js'
import { readSql, renderSql } from '../sql-text.js'
import { type Applied, refuseBreaking } from '../schema-version.js'

/** What brings one database, as it is now, to the newest version. */
export interface MigrationPlan {
  readonly steps: readonly MigrationStep[]
  /** What the steps apply. */
  readonly migrations: readonly Migration[]
  readonly adopts: boolean
  /** What the operator should know besides. */
  readonly remarks: readonly string[]
}

/** Those that run in the step that attaches an adopted table: the trail, and the functions of its partitions. */
const ADOPTING_MIGRATIONS: ReadonlySet<number> = new Set([TRAIL_MIGRATION, TRAIL_MIGRATION + 1])

interface Recorded extends Applied {
  readonly name: string
  readonly checksum: string
}

/**
 * Looks, and changes nothing.
 *
 * @throws AuditError `AUDIT_SCHEMA` for a schema that a newer version has changed in a breaking way; `AUDIT_MIGRATION` when
 *   a recorded migration is not the one this version knows, when a table cannot be adopted, or for the wrong role
 */
export async function planMigration(
  client: ClientBase,
  options: {
    readonly schema: string
    readonly roles: boolean
    readonly login: Login | undefined
    readonly trail: 'new' | 'keep' | undefined
    readonly width: PartitionWidth | undefined
    readonly now: Date | undefined
  },
): Promise<MigrationPlan> {
  const { schema } = options
  const recorded = await readRecord(client, schema)
  refuseBreaking(recorded, schema)
  await refuseRenamed(client, schema)
  const migrations = await loadMigrations()
  const pending = pendingMigrations(migrations, recorded, schema)
  const table = await inspectTable(client, schema)
  const session = await readSession(client, schema)
  const owner = table?.owner ?? session.user
  const isOwners = options.roles || options.trail !== undefined || options.width !== undefined
  if ((pending.length > 0 || isOwners) && !session.memberOfOwner) {
    throw new AuditError(
      'AUDIT_MIGRATION',
      `${schema}.secret_audit belongs to ${owner}: run this as ${owner}`,
    )
  }
  const isNew = pending.some(({ number }) => number === TRAIL_MIGRATION)
  const adopts = table !== undefined && isNew
  const changes: MigrationStep[] = []
  for (const migration of pending) {
    if (!adopts || !ADOPTING_MIGRATIONS.has(migration.number)) changes.push(migrationStep(migration, schema))
    else if (migration.number === TRAIL_MIGRATION) {
      const migrations = pending.filter(({ number }) => ADOPTING_MIGRATIONS.has(number))
      const nowMs = options.now?.getTime() ?? session.nowMs
      changes.push(...(await planAdoption(client, { table, schema, nowMs, migrations })))
    }
  }
  const isOpen = await isOpenToPublic(client, schema)
  if (isNew) changes.push(await rightsStep(schema, adopts ? 'all but on the trail' : 'all'))
  else if (pending.length > 0 || (isOpen && session.memberOfOwner))
    changes.push(await rightsStep(schema, 'public'))
  if (options.trail !== undefined) changes.push(await trailStep(schema, options.trail))
  if (options.width !== undefined) changes.push(widthStep(schema, options.width))
  const roles = options.roles
    ? await planRoles(client, schema, options.login)
    : { asConnected: [], asOwner: [] }
  const steps = [
    ...(session.schemaExists ? [] : [schemaStep(schema)]),
    ...asOwner(changes, owner, session.user),
    ...roles.asConnected,
    ...asOwner(roles.asOwner, owner, session.user),
    partitionsStep(schema),
  ]
  return {
    steps,
    migrations: pending,
    adopts,
    remarks: [
      ...(adopts ? remarks(table) : []),
      ...(isOpen && !session.memberOfOwner ? [`PUBLIC has rights on the trail: run this as ${owner}`] : []),
    ],
  }
}

function pendingMigrations(
  migrations: readonly Migration[],
  recorded: readonly Recorded[],
  schema: string,
): Migration[] {
  return migrations.filter((migration) => {
    const record = recorded.find(({ number }) => number === migration.number)
    if (record && record.checksum !== migration.checksum) {
      throw new AuditError(
        'AUDIT_MIGRATION',
        `migration ${migration.number} (${migration.name}) is not the one that was applied to schema ${schema}: its checksum is ${migration.checksum}, recorded is ${record.checksum} (${record.name}). Install an unmodified version`,
      )
    }
    return !record
  })
}

async function readRecord(client: ClientBase, schema: string): Promise<Recorded[]> {
  const table = `${quotedSchema(schema)}.secret_audit_migration`
  const found = await client.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
    table,
  ])
  if (found.rows[0]?.exists !== true) return []
  const { rows } = await client.query<Recorded>(
    `select number, name, checksum, breaking from ${table} order by number`,
  )
  return rows
}

interface Session {
  readonly user: string
  readonly schemaExists: boolean
  /** Also when there is nothing yet to own. */
  readonly memberOfOwner: boolean
  readonly nowMs: number
}

async function readSession(client: ClientBase, schema: string): Promise<Session> {
  const { rows } = await client.query<Omit<Session, 'nowMs'> & { readonly nowMs: string }>(
    `select current_user as user,
       to_regnamespace($1) is not null as "schemaExists",
       coalesce(pg_has_role((select relowner from pg_class where oid = to_regclass($2)), 'MEMBER'), true) as "memberOfOwner",
       floor(extract(epoch from clock_timestamp()) * 1000)::bigint as "nowMs"`,
    [quotedSchema(schema), `${quotedSchema(schema)}.secret_audit`],
  )
  const [session] = rows
  if (!session) throw new Error('no row from a select without FROM')
  return { ...session, nowMs: Number(session.nowMs) }
}

/** What the trail is made of belongs to one role, whoever of its members (or a superuser) runs this. */
function asOwner(steps: readonly MigrationStep[], owner: string, user: string): readonly MigrationStep[] {
  if (owner === user || steps.length === 0) return steps
  return [
    { title: `act as ${owner}, the owner`, sql: `set role ${quoteIdentifier(owner)};`, mode: 'online' },
    ...steps,
    { title: `act as ${user} again`, sql: 'reset role;', mode: 'online' },
  ]
}

function migrationStep(migration: Migration, schema: string): MigrationStep {
  return {
    title: `migration ${migration.number}: ${migration.name.replaceAll('_', ' ')}`,
    sql: migrationSql(migration, schema),
    mode: 'transaction',
  }
}

function partitionsStep(schema: string): MigrationStep {
  return {
    title: 'make the partitions that are missing',
    sql: `select * from ${quotedSchema(schema)}.secret_audit_ensure_partitions();`,
    mode: 'transaction',
  }
}

function widthStep(schema: string, width: PartitionWidth): MigrationStep {
  return {
    title: `partitions: one a ${width} from now on`,
    sql: `select * from ${quotedSchema(schema)}.secret_audit_set_partition_width('${width}');`,
    mode: 'transaction',
  }
}

async function trailStep(schema: string, trail: 'new' | 'keep'): Promise<MigrationStep> {
  const title =
    trail === 'new'
      ? 'trail: begin another identity'
      : 'trail: keep its identity, on this server and in this database'
  const sql = renderSql(await readSql(`./${trail}-trail.sql`, import.meta.url), schema)
  return { title, sql, mode: 'transaction' }
}

function remarks(table: ExistingTable): string[] {
  const withheld = withheldGrants(table.grants)
  return withheld.length === 0 ? [] : [`not carried over, the trail is append-only: ${withheld.join(', ')}`]
}
