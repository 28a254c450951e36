import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, type QueryResult, type QueryResultRow } from 'pg'
import { type PostgresServer, startPostgres } from '../test/support/postgres/server.js'
import type { Departure } from './gateway/schedule.js'

/** A superuser that logs in to whichever server there is without a password. */
const OPERATOR = 'soak_operator'
/** A safety net: how long a standby may take to be in step, or to be promoted, in ms. */
const PATIENCE_MS = 120_000
/** Of each server's own; all other files of a standby are those of its primary. */
const OWN_FILES = ['postgresql.conf', 'pg_hba.conf']

/**
 * The Postgres of a soak: one server, or a primary whose every commit waits for its standby to have it on disk. While there is
 * no standby, nothing is acknowledged.
 */
export class Servers {
  #primary: PostgresServer
  #standby: PostgresServer | undefined
  /** Whether the server that was the primary is known to be gone. */
  #isFenced = true
  /** Of the superuser, for replication: the first server's, since the others have its roles. */
  readonly #password: string
  /** What each server has of its own, by its data directory. */
  readonly #own = new Map<string, ReadonlyMap<string, string>>()

  private constructor(primary: PostgresServer) {
    this.#primary = primary
    this.#password = new URL(primary.url()).password
  }

  static async start(): Promise<Servers> {
    const servers = new Servers(await startPostgres())
    await servers.#primary.query(`create role ${OPERATOR} superuser login`)
    return servers
  }

  get primary(): PostgresServer {
    return this.#primary
  }

  /** Of the operator, on the primary. */
  url(database: string): string {
    return this.#primary.url(database, OPERATOR)
  }

  /** Runs one statement as the operator, on the primary. */
  query<Row extends QueryResultRow>(sql: string, database = 'postgres'): Promise<QueryResult<Row>> {
    return queryOf<Row>(this.url(database), sql)
  }

  /** From now on no commit is acknowledged that a standby does not have. */
  async addStandby(): Promise<void> {
    const standby = await startPostgres()
    for (const server of [this.#primary, standby]) this.#own.set(server.dataDirectory, ownFiles(server))
    this.#standby = standby
    await standby.stop()
    await this.query(`alter system set synchronous_standby_names = '*'`)
    // What was the primary may be asked for what it has of the time before.
    await this.query(`alter system set wal_keep_size = '128MB'`)
    await this.query(`alter system set wal_retrieve_retry_interval = '200ms'`)
    await this.#copyPrimary(standby)
  }

  /**
   * The primary goes away, and the standby is promoted. The other one is to be made its standby by {@link restoreStandby}.
   *
   * @returns the port of the new primary
   */
  async promote(departure: Departure): Promise<number> {
    const [former, next] = [this.#primary, this.#standby]
    if (next === undefined) throw new Error('there is no standby')
    if (departure === 'crash') await former.kill()
    else if (departure === 'switchover') await former.stop()
    else await former.pause()
    const promoting = `select from pg_promote(true, ${PATIENCE_MS / 1000}) as done where done`
    const { rowCount } = await queryOf(next.url('postgres', OPERATOR), promoting)
    if (rowCount !== 1) throw new Error(`the standby is not promoted:\n${next.logs()}`)
    this.#primary = next
    this.#standby = former
    this.#isFenced = departure !== 'freeze'
    return next.port
  }

  /** What was the primary begins anew, as the standby of what is. Resolves when it is in step. */
  async restoreStandby(): Promise<void> {
    const standby = this.#standby
    if (standby === undefined) throw new Error('there is no standby')
    if (!this.#isFenced) await standby.kill()
    await this.#copyPrimary(standby)
  }

  async close(): Promise<void> {
    await this.#primary.close()
    await this.#standby?.close()
  }

  /** Its files are copied while it is stopped, since `pg_basebackup` need not be there. */
  async #copyPrimary(standby: PostgresServer): Promise<void> {
    const primary = this.#primary
    await primary.stop()
    const { uid, gid } = statSync(standby.dataDirectory)
    rmSync(standby.dataDirectory, { recursive: true })
    execFileSync('cp', ['-a', primary.dataDirectory, standby.dataDirectory])
    for (const [name, text] of this.#own.get(standby.dataDirectory) ?? [])
      writeFileSync(join(standby.dataDirectory, name), text)
    const source = `host=127.0.0.1 port=${primary.port} user=postgres password=${this.#password}`
    const line = `primary_conninfo = '${source}'\n`
    writeFileSync(join(standby.dataDirectory, 'postgresql.conf'), line, { flag: 'a' })
    writeFileSync(join(standby.dataDirectory, 'standby.signal'), '')
    execFileSync('chown', ['-R', `${uid}:${gid}`, standby.dataDirectory])
    await primary.start()
    await standby.start()
    const until = performance.now() + PATIENCE_MS
    while ((await this.query(IN_STEP)).rowCount === 0) {
      if (performance.now() > until) throw new Error(`the standby is not in step:\n${standby.logs()}`)
      await sleep(50)
    }
  }
}

const IN_STEP = `select from pg_stat_replication where sync_state = 'sync' and state = 'streaming'`

function ownFiles({ dataDirectory }: PostgresServer): ReadonlyMap<string, string> {
  return new Map(OWN_FILES.map((name) => [name, readFileSync(join(dataDirectory, name), 'utf8')]))
}

async function queryOf<Row extends QueryResultRow>(url: string, sql: string): Promise<QueryResult<Row>> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {}) // The pending query tells it too.
  await client.connect()
  try {
    return await client.query<Row>(sql)
  } finally {
    await client.end()
  }
}
