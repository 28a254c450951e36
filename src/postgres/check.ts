import { wallClock } from '../host/globals.js'
import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import type { HealthFinding } from '../contract/sink.js'
import type { Connection } from './connection.js'
import { readSql, renderSql } from './sql-text.js'
import { fullCheck, type StoreCheck } from './store/full-check.js'

/** How far the clocks of process and database may be apart, in ms: rows of two services must sort sensibly. */
const MAX_CLOCK_SKEW_MS = 5000

const WEAK_COMMIT = new Set(['off', 'local', 'remote_write'])

interface ServerState {
  readonly synchronous_commit: string
  readonly standby: boolean
  readonly now_ms: string
}

/**
 * A standby has what it has replayed, which says nothing of what is stored.
 *
 * @throws AuditError `AUDIT_UNAVAILABLE`
 */
export async function refuseStandby(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby')
  if (rows[0]?.standby === true) throw new AuditError('AUDIT_UNAVAILABLE', IS_STANDBY)
}

const IS_STANDBY =
  'the database is a standby; point DATABASE_URL at the primary, or on this one: SELECT pg_promote()'

/**
 * Whether a committed row would be the event that was recorded, and a durable one: tables, settings, clock, and a write in a
 * transaction that is rolled back.
 */
export async function checkStore(
  connection: Connection,
  check: StoreCheck,
): Promise<readonly HealthFinding[]> {
  const { findings } = await fullCheck(connection, check)
  return [...findings, ...(await connection.run((client) => checkServer(client, check.schema)))]
}

async function checkServer(client: ClientBase, schema: string): Promise<readonly HealthFinding[]> {
  const findings: HealthFinding[] = []
  const before = wallClock()
  const { rows } = await client.query<ServerState>(
    `select current_setting('synchronous_commit') as synchronous_commit, pg_is_in_recovery() as standby,
            (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms`,
  )
  const after = wallClock()
  const [state] = rows
  if (state === undefined) return findings
  if (WEAK_COMMIT.has(state.synchronous_commit)) {
    findings.push(
      error(
        'synchronous_commit',
        `synchronous_commit is ${state.synchronous_commit} although this session has set it: connect to the server itself, not through a proxy that pools transactions`,
      ),
    )
  }
  const skew = Math.max(before - Number(state.now_ms), Number(state.now_ms) - after, 0)
  if (skew > MAX_CLOCK_SKEW_MS) {
    findings.push(
      error(
        'clock',
        `the clock is ${(skew / 1000).toFixed(1)} s away from the database's; on the one that is wrong: chronyc makestep`,
      ),
    )
  }
  if (state.standby) {
    findings.push(error('primary', IS_STANDBY))
  } else {
    findings.push(...(await tryWrite(client, schema)))
  }
  return findings
}

/** Rolled back in any case. */
async function tryWrite(client: ClientBase, schema: string): Promise<readonly HealthFinding[]> {
  const text = renderSql(await readSql('./trial-write.sql', import.meta.url), schema)
  await client.query('begin')
  try {
    await client.query(text)
    return []
  } catch (cause) {
    const code = (cause as { code?: string }).code ?? 'unknown'
    return [
      error(
        'write',
        `a write was refused (SQLSTATE ${code}); run \`otel-audit migrate --roles\` as the owner, and grant the writer role`,
      ),
    ]
  } finally {
    await client.query('rollback')
  }
}

function error(check: string, message: string): HealthFinding {
  return { level: 'error', check, message }
}
