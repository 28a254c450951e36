import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import { isTrailId } from '../chain/block.js'
import { JSON } from '../host/globals.js'
import type { HealthFinding } from '../contract/sink.js'
import { isServerError } from './faults.js'
import { readPlace } from './place.js'
import { DEFAULT_SCHEMA, quotedSchema } from './schema-name.js'

/** Which trail a store has, and where that trail began. */
export interface TrailIdentity {
  /** 32 lower-case hex digits. */
  readonly trail: string
  /** Of the server where it began, as `pg_control_system` has it. Null where that could not be asked. */
  readonly system: string | null
  /** And the ids of database and table there, as <database>.<table>. */
  readonly table: string
}

/** What a session has to find: one of these. */
export interface ExpectedTrail {
  readonly schema: string
  readonly trails: readonly string[]
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkTrailId(trail: string, field = 'trail'): string {
  if (isTrailId(trail)) return trail
  const message = `${field} must be the identity of a trail, 32 lower-case hex digits; got ${JSON.stringify(trail)}`
  throw new AuditError('AUDIT_INVALID_OPTION', message, { field })
}

/**
 * The identity of the trail in this schema.
 *
 * @throws AuditError `AUDIT_TRAIL` without one, `AUDIT_SCHEMA` where the schema is older than identities are; errors of the
 *   connection, a missing right among them, as they are
 */
export async function readIdentity(client: ClientBase, schema: string): Promise<TrailIdentity> {
  const text = `select trail, system_identifier as system, table_oids as table
    from ${quotedSchema(schema)}.secret_audit_trail`
  const { rows } = await client.query<TrailIdentity>(text).catch((error: unknown) => {
    throw isServerError(error) && NOT_THERE.has(error.code) ? olderThanIdentities(schema, error) : error
  })
  const [identity] = rows
  if (identity !== undefined && rows.length === 1 && isTrailId(identity.trail)) return identity
  throw new AuditError('AUDIT_TRAIL', `the trail in schema ${schema} has lost its identity`, {
    remedy: `Write it back, if you know it (docs/operations.md), or begin another one: otel-audit migrate --new-trail${flag(schema)}`,
  })
}

/** @throws AuditError `AUDIT_TRAIL` for another trail; else what {@link readIdentity} throws */
export async function refuseAnotherTrail(
  client: ClientBase,
  { schema, trails }: ExpectedTrail,
): Promise<void> {
  const { trail } = await readIdentity(client, schema)
  if (trails.includes(trail)) return
  const problem = `the database has trail ${trail} in schema ${schema}, and ${trails.join(' or ')} is asked for: it is a clone, staging, or another database`
  throw new AuditError('AUDIT_TRAIL', problem, {
    remedy: `Correct the URL or the schema. If this trail is the one that is meant, set the option trail (NOETL_SECRET_AUDIT_TRAIL), or the line "trail" of the trust file, to ${trail}; a service that began with the other one has to be restarted.`,
  })
}

/** A dump, a template and a snapshot copy the identity: whoever has such a copy is told. */
export async function copiedTrail(
  client: ClientBase,
  schema: string,
  { trail, system, table }: TrailIdentity,
): Promise<HealthFinding | undefined> {
  const here = await readPlace(client, schema)
  const isElsewhere = system !== null && here.system !== null && system !== here.system
  if (!isElsewhere && here.table === table) return undefined
  const where = isElsewhere
    ? `it began on server ${system}, and this is server ${here.system}`
    : 'it began in another database or schema of this server'
  const migrate = `otel-audit migrate${flag(schema)}`
  return {
    level: 'warning',
    check: 'trail',
    message: `trail ${trail} was copied here: ${where}. In a clone (staging, a test), begin another one before anything writes to it: ${migrate} --new-trail. Where this has taken the place of the other (a restore, an upgrade, a move): ${migrate} --keep-trail`,
  }
}

/** SQLSTATE of a table and of a schema that are not there. */
const NOT_THERE: ReadonlySet<string> = new Set(['42P01', '3F000'])

function olderThanIdentities(schema: string, cause: unknown): AuditError {
  const problem = `schema ${schema} holds no identity of a trail. Run \`otel-audit migrate${flag(schema)}\` as the owner`
  return new AuditError('AUDIT_SCHEMA', problem, { cause })
}

function flag(schema: string): string {
  return schema === DEFAULT_SCHEMA ? '' : ` --schema ${schema}`
}
