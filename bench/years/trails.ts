import type { Client } from 'pg'
import { readPlace } from '../../src/postgres/place.js'
import { readIdentity } from '../../src/postgres/trail-identity.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { migrate } from '../databases.js'
import { connected } from './connected.js'
import type { Keys } from './keys.js'
import { fillMonth } from './month.js'
import type { Population } from './population.js'
import { makeLogins, whileFilling } from './server.js'
import { type ChainOrigin, writtenBlocks } from './writers.js'

/** What a trail is to be filled with. */
export interface Filling {
  readonly rows: number
  readonly months: number
  readonly credentials: number
  readonly seed: number
}

/** A trail that is filled. */
export interface FilledTrail extends Filling, Population {
  readonly database: string
  readonly fillSeconds: number
}

type Progress = (what: string) => void

const SCHEMA = 'noetl'

/**
 * The trail with these rows on the server: filled if it is not there, and of the newest schema in any case.
 *
 * @throws Error when there is one that was filled with something else
 */
export async function trailWith(
  server: PostgresServer,
  filling: Filling,
  keys: Keys,
  progress: Progress,
): Promise<FilledTrail> {
  const database = `years_${filling.rows}`
  const found = await filledTrail(server, database)
  if (found !== undefined) {
    const differs = (['months', 'credentials', 'seed'] as const).find((what) => found[what] !== filling[what])
    if (differs !== undefined) {
      throw new Error(
        `the trail of ${filling.rows} rows that is kept was filled with --${differs} ${found[differs]}, not ${filling[differs]}`,
      )
    }
    progress('the trail is there; migrating it')
    await migrate(server.url(database))
    return found
  }
  return await whileFilling(server, () => fill(server, database, filling, keys, progress))
}

/** A new trail without rows. */
export async function emptyTrail(server: PostgresServer, database: string): Promise<void> {
  await server.query(`drop database if exists ${database}`)
  await server.query(`create database ${database}`)
  await migrate(server.url(database))
  await makeLogins(server)
}

async function fill(
  server: PostgresServer,
  database: string,
  filling: Filling,
  keys: Keys,
  progress: Progress,
): Promise<FilledTrail> {
  await emptyTrail(server, database)
  const began = performance.now()
  const months = monthsUntil(new Date(), filling.months)
  const span = { fromMs: months[0]?.getTime() ?? 0, toMs: Date.now() }
  const population: Population = { ...span, rows: filling.rows, credentials: filling.credentials }
  const took = (): number => (performance.now() - began) / 1000
  await connected(server.url(database), async (client) => {
    const origin = await chainOrigin(client, keys)
    for (const [i, month] of months.entries()) {
      const first = rowAt(month.getTime(), population)
      const untilMs = months[i + 1]?.getTime() ?? span.toMs
      const share = { first, end: rowAt(untilMs, population), untilMs, seed: filling.seed * 1009 + i }
      await fillMonth(client, month, writtenBlocks(population, share, origin))
      progress(`${share.end} of ${filling.rows} rows are written, after ${took().toFixed(0)} s`)
    }
    // Nothing is left for autovacuum to do while something is measured.
    await client.query(`vacuum (analyze) ${SCHEMA}.secret_audit`)
    await client.query(`vacuum (analyze) ${SCHEMA}.secret_audit_block`)
    await client.query('checkpoint')
  })
  const filled: FilledTrail = { ...filling, ...population, database, fillSeconds: took() }
  // The database says of itself that it is complete.
  await server.query(`comment on database ${database} is '${JSON.stringify(filled)}'`)
  return filled
}

async function filledTrail(server: PostgresServer, database: string): Promise<FilledTrail | undefined> {
  const { rows } = await server.query<{ filled: string | null }>(
    `select shobj_description(oid, 'pg_database') as filled from pg_database where datname = $1`,
    [database],
  )
  const filled = rows[0]?.filled
  return filled == null ? undefined : (JSON.parse(filled) as FilledTrail)
}

/** The first days of so many months, the last one that of the current month. UTC. */
function monthsUntil(now: Date, months: number): Date[] {
  return Array.from(
    { length: months },
    (_, i) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months + 1 + i, 1)),
  )
}

/** The first row that does not come before this time. */
function rowAt(ms: number, { fromMs, toMs, rows }: Population): number {
  return Math.ceil(((ms - fromMs) / (toMs - fromMs)) * rows)
}

async function chainOrigin(client: Client, { enrolment }: Keys): Promise<ChainOrigin> {
  const { trail } = await readIdentity(client, SCHEMA)
  const { system } = await readPlace(client, SCHEMA)
  return { trail, system: system ?? undefined, enrolment }
}
