import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import type { HealthFinding } from '../contract/sink.js'
import { checkStore } from './check.js'
import type { Connection } from './connection.js'
import { diagnosePartitions } from './diagnose-partitions.js'
import type { Diagnosis } from './diagnosis.js'
import { fault } from './faults.js'
import { ownerFinding } from './owner.js'
import { remedyOf } from './remedy.js'
import { entranceFindings } from './server-proof.js'
import { quotedSchema, roleNames } from './schema-name.js'
import { refuseRenamed } from './renamed-schema.js'
import { checkSchema } from './schema-version.js'
import { openSession, type WriteSession } from './session.js'
import { copiedTrail, readIdentity } from './trail-identity.js'
import { storeCheck } from './store/full-check.js'

/**
 * Looks at everything that durable records need of the database: connection, schema version, what the role may do,
 * partitions, whose trail it is, and what a commit is worth. Changes nothing.
 */
export async function diagnoseStore(
  options: WriteSession & { readonly schema: string; readonly allowInStore?: string | undefined },
): Promise<readonly Diagnosis[]> {
  const { schema } = options
  let connection: Connection
  try {
    connection = await openSession('write', options)
  } catch (cause) {
    const { message } = fault('AUDIT_UNAVAILABLE', 'no connection', cause)
    return [broken('connection', `${message}; ${remedyOf(cause)}`)]
  }
  try {
    const found = [await whoAmI(connection)]
    const version = await diagnosed('schema', () =>
      connection.run(async (client) => {
        await checkSchema(client, schema)
        await refuseRenamed(client, schema)
      }),
    )
    if (version.findings.length > 0) return [...found, version]
    return [
      ...found,
      version,
      await trailOf(connection, schema),
      await connection.run((client) => rightsOf(client, schema)),
      await connection.run((client) => diagnosePartitions(client, schema)),
      await connection.run((client) => foreignRows(client, schema)),
      {
        check: 'durability',
        state: 'tables, settings, clock and a trial write that is rolled back',
        findings: await checkStore(connection, storeCheck(options)),
      },
    ]
  } finally {
    await connection.close()
  }
}

/** Who and where we are, with what somebody has set for this login and loads into it: neither is wrong by itself. */
async function whoAmI(connection: Connection): Promise<Diagnosis> {
  const [who, isProxied] = await connection.run(async (client) => {
    const { rows } = await client.query<Who>(
      `select current_user || ' on ' || current_database() as place, session_user as login, current_user as role,
         current_setting('server_version') as version, pg_backend_pid()::text as pid,
         (select string_agg(name || ' = ' || setting, ', ' order by name) from pg_settings
          where name in ('local_preload_libraries', 'session_preload_libraries', 'shared_preload_libraries')
            and setting <> '') as libraries`,
    )
    return [rows[0], isBehindProxy(client, rows[0]?.pid)] as const
  })
  const state = [
    who?.place,
    `PostgreSQL ${who?.version}`,
    ...(who?.login === who?.role ? [] : [`the login ${who?.login} acts as ${who?.role}`]),
    ...(who?.libraries ? [who.libraries] : []),
  ]
  const findings = [...(isProxied ? [PROXY] : []), ...entranceFindings(connection.entrance)]
  return { check: 'connection', state: state.join(', '), findings }
}

interface Who {
  readonly place: string
  readonly login: string
  readonly role: string
  readonly version: string
  readonly pid: string
  readonly libraries: string | null
}

/** A proxy gives its clients process ids of its own: the server's would be of no use to them. */
function isBehindProxy(client: ClientBase, pid: string | undefined): boolean {
  const { processID } = client as ClientBase & { readonly processID?: number | null }
  return typeof processID === 'number' && pid !== undefined && String(processID) !== pid
}

const PROXY: HealthFinding = {
  level: 'warning',
  check: 'proxy',
  message:
    'there is a proxy between here and the server, which passes the settings of the session on; when it pools transactions, prepared statements are lost: point DATABASE_URL at the server itself, or set pool_mode = session',
}

/** Whether it is at home: what was copied here is of the original, until somebody says otherwise. */
async function trailOf(connection: Connection, schema: string): Promise<Diagnosis> {
  try {
    return await connection.run(async (client) => {
      const identity = await readIdentity(client, schema)
      const copied = await copiedTrail(client, schema, identity)
      const state = `${identity.trail}, began on server ${identity.system ?? 'unknown'}`
      return { check: 'trail', state, findings: copied === undefined ? [] : [copied] }
    })
  } catch (cause) {
    if (!(cause instanceof AuditError))
      return broken('trail', fault('AUDIT_UNAVAILABLE', 'cannot be read', cause).message)
    return broken('trail', `${cause.message}. ${cause.remedy}`)
  }
}

/** The writer role suffices. A login that may also change rows makes the trail worth less. */
async function rightsOf(client: ClientBase, schema: string): Promise<Diagnosis> {
  const table = `${quotedSchema(schema)}.secret_audit`
  const { writer } = roleNames(schema)
  const { rows } = await client.query<{ inserts: boolean; changes: boolean }>(
    `select has_any_column_privilege($1, 'INSERT') as inserts,
            has_table_privilege($1, 'UPDATE, DELETE, TRUNCATE') as changes`,
    [table],
  )
  const [rights] = rows
  const findings: HealthFinding[] = []
  if (rights?.inserts !== true) {
    findings.push(error('rights', `this login may not insert; as the owner: GRANT ${writer} TO <this login>`))
  }
  if (rights?.changes === true) {
    const message = `this login may also change or delete rows; use one of its own: CREATE ROLE <name> LOGIN PASSWORD '…'; GRANT ${writer} TO <name>`
    findings.push({ level: 'warning', check: 'rights', message })
  }
  const owner = await ownerFinding(client, schema)
  if (owner !== undefined) findings.push(owner)
  return { check: 'rights', state: 'insert, and nothing that changes a row', findings }
}

/** So many of the oldest rows, and of the newest, are looked at. */
const LOOKED_AT = 1000

/** Rows of another server, or that somebody has put back: what they say of their transaction does not hold here. */
async function foreignRows(client: ClientBase, schema: string): Promise<Diagnosis> {
  const check = 'origin'
  const table = `${quotedSchema(schema)}.secret_audit`
  const { rows: rights } = await client.query<{ reads: boolean }>(
    `select has_table_privilege($1, 'SELECT') as reads`,
    [table],
  )
  if (rights[0]?.reads !== true) {
    return { check, state: 'not looked at: the writer role may not read what rows say of it', findings: [] }
  }
  const end = (order: 'asc' | 'desc'): string =>
    `(select audit_id, (recorded_xid & 4294967295) <> xmin::text::bigint as is_foreign
      from ${table} order by audit_id ${order} limit ${LOOKED_AT})`
  const { rows } = await client.query<{ all: string; foreign: string; newest: string | null }>(
    `select count(*) as all, count(*) filter (where is_foreign) as foreign, max(audit_id) filter (where is_foreign) as newest
     from (${end('asc')} union ${end('desc')}) as looked_at`,
  )
  const { all = '0', foreign = '0', newest = null } = rows[0] ?? {}
  const state = `${all} of the oldest and newest rows: written here by the transactions that they name`
  if (newest === null) return { check, state, findings: [] }
  const message =
    `${foreign} of the ${all} oldest and newest rows were put here by another transaction than they name, up to id ${newest}: ` +
    `a restore, a replication or a rewrite of the table. If you know of it, put "restored below ${BigInt(newest) + 1n}" into the trust ` +
    'file, and begin marks of exports and tails anew; else run otel-audit verify'
  return { check, state, findings: [{ level: 'warning', check, message }] }
}

async function diagnosed(check: string, look: () => Promise<void>): Promise<Diagnosis> {
  try {
    await look()
    return { check, state: 'as this version needs it', findings: [] }
  } catch (cause) {
    if (cause instanceof AuditError) return broken(check, cause.message)
    return broken(check, fault('AUDIT_UNAVAILABLE', 'cannot be read', cause).message)
  }
}

function broken(check: string, message: string): Diagnosis {
  return { check, state: 'broken', findings: [error(check, message)] }
}

function error(check: string, message: string): HealthFinding {
  return { level: 'error', check, message }
}
