import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import { VERSION } from '../../version.js'
import { releaseBoundStep } from '../adopt/adopt.js'
import type { Connection } from '../connection.js'
import { lockMigrations } from './migration-lock.js'
import { type MigrationPlan, planMigration } from './migration-plan.js'
import { checkLogin, type Login } from './roles.js'
import { migrationError, runStep, stepScript } from './migration-step.js'
import { checkSchemaName, DEFAULT_SCHEMA, quotedSchema, roleNames } from '../schema-name.js'
import type { DatabaseUrl } from '../database-url.js'
import type { PartitionWidth } from '../partitions.js'
import { openSession } from '../session.js'
import { readIdentity } from '../trail-identity.js'

export interface MigrateOptions {
  /** Of the schema's owner. Not through a transaction-pooling proxy: a lock is held by the session. */
  readonly databaseUrl: DatabaseUrl
  /** Default `noetl`. */
  readonly schema?: string
  /** Also create the group roles `<schema>_audit_writer` and `<schema>_audit_reader`, and grant them their rights. */
  readonly roles?: boolean
  /**
   * A login for a service: made, without a password, where it is not there yet, and given the writer role. Implies
   * `roles`.
   */
  readonly login?: string
  /** With `login`: it gets the reader role, too. */
  readonly reads?: boolean
  /** With `login`: its new password, ASCII. The database gets the SCRAM verifier of it, and never the password. */
  readonly password?: string
  /**
   * `new`: begin another identity, in a clone of a trail (`--new-trail`). `keep`: the trail has moved here with its identity
   * (`--keep-trail`).
   */
  readonly trail?: 'new' | 'keep'
  /**
   * How wide partitions are made from now on (`--partition-width`). Those that have not begun and are empty make room for them.
   * Default: what the trail has; of a new one, a month.
   */
  readonly partitionWidth?: PartitionWidth
  /** Changes nothing; the report holds the SQL. */
  readonly dryRun?: boolean
  /** Is told of every step before it is run, and of whatever it waits for. */
  readonly onProgress?: (line: string) => void
  /** From when an adoption counts. Default: the database's clock. */
  readonly now?: Date
}

export interface MigrateReport {
  readonly schema: string
  /** The migrations that were applied; with `dryRun`, that would be. */
  readonly applied: readonly { readonly number: number; readonly name: string }[]
  /** An existing table was made the first partition. */
  readonly adopted: boolean
  /** Names of the partitions that were made, oldest first. With `dryRun` empty. */
  readonly partitions: readonly string[]
  /** The roles that have their rights now. */
  readonly roles: readonly string[]
  /** The identity of the trail; with `dryRun` the one that is there, if any. */
  readonly trail: string | undefined
  /** What it was before, where another one was begun. */
  readonly formerTrail?: string
  /** With `dryRun`: a script for psql. */
  readonly sql?: string
}

const OLDEST_SERVER = 140_000

/**
 * Brings one schema to the newest version, forward only. Any number of processes may do so at once: one migrates, the
 * others wait and find nothing to do. Interrupted at any point, it is continued by running it again.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`, `AUDIT_MIGRATION`, or `AUDIT_SCHEMA` when a newer version has changed the
 *   schema in a breaking way
 */
export async function migrate(options: MigrateOptions): Promise<MigrateReport> {
  const { databaseUrl, dryRun = false, now, onProgress = () => {} } = options
  const schema = checkSchemaName(options.schema ?? DEFAULT_SCHEMA)
  const login = loginOf(options)
  const roles = options.roles === true || login !== undefined
  const target = { databaseUrl, applicationName: 'otel-audit migrate', readOnly: dryRun }
  const session = await openSession('migrate', target).catch((error: unknown) => {
    throw migrationError('connect to the database', error)
  })
  let lock: Connection | undefined
  try {
    return await session.run(async (client) => {
      await refuseOldServer(client)
      const planned = (): Promise<MigrationPlan> =>
        planMigration(client, {
          schema,
          roles,
          login,
          now,
          trail: options.trail,
          width: options.partitionWidth,
        })
      if (!dryRun) lock = await lockMigrations(client, target, { schema, onProgress, mayBegin: planned })
      const plan = await planned()
      const former = await identity(client, schema)
      const report = {
        schema,
        applied: plan.migrations.map(({ number, name }) => ({ number, name })),
        adopted: plan.adopts,
        roles: roles ? Object.values(roleNames(schema)) : [],
      }
      if (dryRun) return { ...report, trail: former, partitions: [], sql: script(plan, schema) }
      const partitions = await execute(client, plan, schema, onProgress)
      const trail = await identity(client, schema)
      const isOther = former !== undefined && former !== trail
      return { ...report, partitions, trail, ...(isOther && { formerTrail: former }) }
    })
  } catch (error) {
    throw migrationError('migrate', error)
  } finally {
    await session.close()
    await lock?.close() // With the session ends its lock.
  }
}

function loginOf({ login, reads = false, password }: MigrateOptions): Login | undefined {
  return login === undefined ? undefined : { name: checkLogin(login), reads, password }
}

/** Undefined where there is none yet, or this login may not read it. */
async function identity(client: ClientBase, schema: string): Promise<string | undefined> {
  try {
    return (await readIdentity(client, schema)).trail
  } catch (error) {
    if (error instanceof AuditError || (error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE)
      return undefined
    throw error
  }
}

const INSUFFICIENT_PRIVILEGE = '42501'

async function refuseOldServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ number: number; version: string }>(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version`,
  )
  const [server] = rows
  if (server && server.number < OLDEST_SERVER) {
    throw new AuditError('AUDIT_MIGRATION', `Postgres 14 or newer is needed; this is ${server.version}`)
  }
}

/** Returns the names of the partitions made. */
async function execute(
  client: ClientBase,
  plan: MigrationPlan,
  schema: string,
  onProgress: (line: string) => void,
): Promise<string[]> {
  for (const remark of plan.remarks) onProgress(remark)
  const before = new Set(await partitionNames(client, schema))
  try {
    for (const step of plan.steps) {
      onProgress(step.title)
      await runStep(client, step, onProgress)
    }
  } catch (error) {
    if (plan.adopts) await releaseBound(client, schema, onProgress)
    throw error
  }
  return (await partitionNames(client, schema)).filter((name) => !before.has(name))
}

/** Oldest first. An adopted table that is the first partition is among them. */
async function partitionNames(client: ClientBase, schema: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = to_regclass($1)
     order by substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM [(]''?(-?[0-9]+)')::bigint nulls first, 1`,
    [`${quotedSchema(schema)}.secret_audit`],
  )
  return rows.map(({ name }) => name)
}

/** A table whose adoption failed must go on as it was. */
async function releaseBound(
  client: ClientBase,
  schema: string,
  onProgress: (line: string) => void,
): Promise<void> {
  const step = releaseBoundStep(schema)
  try {
    await client.query('reset role')
    await runStep(client, step, onProgress)
  } catch {
    onProgress(
      `${step.title}: failed. Run the migration again, or drop the constraint secret_audit_adoption_bound: it refuses ids from its bound on`,
    )
  }
}

function script(plan: MigrationPlan, schema: string): string {
  return [
    `-- otel-audit ${VERSION}: what \`otel-audit migrate\` would run now on schema ${schema} of this database.`,
    '-- By hand: psql --set ON_ERROR_STOP=1 --file FILE. A step that cannot get its lock may be run again.',
    ...plan.remarks.map((remark) => `-- ${remark}`),
    'set search_path = pg_catalog, pg_temp;\n',
    ...plan.steps.map(stepScript),
  ].join('\n')
}
