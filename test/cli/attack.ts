import type { Client } from 'pg'
import { connect, copyOf } from '../support/database.js'
import { type HonestTrail, unguard } from './honest-trail.js'
import { otelAudit } from './otel-audit.js'

/** What `otel-audit verify` says. */
export interface Outcome {
  readonly code: number | null
  readonly found: readonly { code: string; chain?: string; block?: number; auditId?: string }[]
  readonly report: Record<string, unknown>
  readonly stderr: string
}

export async function verifyReport(url: string, ...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await otelAudit(['verify', '--format', 'json', ...args], {
    DATABASE_URL: url,
  })
  const report = stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)
  return { code, stderr, report, found: (report['found'] ?? []) as Outcome['found'] }
}

/** What an attacker has: a superuser's connection. */
export interface Scene {
  readonly client: Client
  readonly url: string
  /** Runs SQL as the superuser, with `CHAIN`, `BLOCK` and `ROW` for the victim: a chain, a block of five rows, its third. */
  sql(text: string): Promise<void>
  readonly auditId: string
  /** All ids of the block. */
  readonly ids: readonly string[]
}

/** Runs an attack on a copy of the honest database, and verifies what is left. */
export async function afterAttack(
  honest: HonestTrail,
  attack: (scene: Scene) => Promise<unknown>,
  flags: readonly string[],
): Promise<Outcome & { readonly auditId: string }> {
  const database = await copyOf(honest.database)
  const client = await connect(database.url)
  try {
    await unguard(client)
    const { rows } = await client.query<{ id: string }>(
      'select audit_id::text as id from noetl.secret_audit where chain_id = $1 and block_no = 3 order by 1',
      [honest.chains.idle],
    )
    const ids = rows.map(({ id }) => id)
    const auditId = ids[2] ?? ''
    const sql = async (text: string): Promise<void> => {
      await client.query(
        text
          .replaceAll('CHAIN', `'${honest.chains.idle}'::uuid`)
          .replaceAll('OTHER', `'${honest.chains.killed}'::uuid`)
          .replaceAll('ROW', auditId),
      )
    }
    await attack({ client, url: database.url, sql, auditId, ids })
    return { ...(await verifyReport(database.url, ...flags)), auditId }
  } finally {
    await client.end()
    await database.drop()
  }
}
