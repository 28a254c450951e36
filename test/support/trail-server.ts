import type { QueryResultRow } from 'pg'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { connect } from './database.js'
import { type PostgresOptions, type PostgresServer, startPostgres } from './postgres/server.js'
import { waitUntil } from './wait-until.js'

/** One session in `pg_stat_activity`. */
export interface Session extends QueryResultRow {
  readonly pid: number
  readonly state: string | null
  readonly wait_event_type: string | null
  readonly wait_event: string | null
}

/** A server of the test file's own, to be stopped, killed and paused, with empty trails to be had on it. */
export class TrailServer {
  readonly server: PostgresServer
  #databases = 0

  private constructor(server: PostgresServer) {
    this.server = server
  }

  static async start(options: PostgresOptions = {}): Promise<TrailServer> {
    const server = await startPostgres(options)
    await server.query('create database template_trail')
    await migrate({ databaseUrl: server.url('template_trail'), roles: true })
    return new TrailServer(server)
  }

  /** The URL of a new database with an empty trail. */
  async trail(): Promise<string> {
    const name = `trail_${++this.#databases}`
    await this.server.query(`create database ${name} template template_trail`)
    return this.server.url(name)
  }

  async sessions(applicationName: string): Promise<Session[]> {
    const { rows } = await this.server.query<Session>(
      `select pid, state, wait_event_type, wait_event from pg_stat_activity
       where application_name = $1 and backend_type = 'client backend' order by backend_start`,
      [applicationName],
    )
    return rows
  }

  /**
   * The session of that name that waits for something of the given kind: `Lock`, `IPC` (`SyncRep`), …
   *
   * @param many so many of them have to; the last to come is given back
   */
  waiting(applicationName: string, kind: string, many = 1): Promise<Session> {
    return waitUntil(`${many} sessions of ${applicationName} that wait for ${kind}`, async () => {
      const sessions = await this.sessions(applicationName)
      return sessions.filter(({ wait_event_type, wait_event }) =>
        [wait_event_type, wait_event].includes(kind),
      )[many - 1]
    })
  }

  /** From now on each commit is on disk, and waits for a standby that does not exist. @returns lets all of them go */
  async holdCommits(): Promise<() => Promise<void>> {
    await this.#standby(`'nobody'`)
    await this.#heldCommit()
    return () => this.#standby(`''`)
  }

  /**
   * Resolves when a commit waits. A session may know of the standby before the checkpointer does, which is the one that
   * makes commits wait: until then they pass.
   */
  async #heldCommit(): Promise<void> {
    const name = 'a commit to be held'
    const client = await connect(this.server.url())
    await client.query(`set application_name = '${name}'`)
    const held = { seen: false }
    const commits = (async () => {
      while (!held.seen) await client.query(`select pg_logical_emit_message(true, '', '')`)
    })()
    const { pid } = await this.waiting(name, 'SyncRep')
    held.seen = true
    await this.server.query('select pg_cancel_backend($1)', [pid])
    await commits
    await client.end()
  }

  async #standby(names: string): Promise<void> {
    await this.server.query(`alter system set synchronous_standby_names = ${names}`)
    await this.server.query('select pg_reload_conf()')
    await waitUntil('the setting in force', async () => {
      const { rows } = await this.server.query<{ names: string }>(
        `select current_setting('synchronous_standby_names') as names`,
      )
      return `'${rows[0]?.names}'` === names
    })
  }

  close(): Promise<void> {
    return this.server.close()
  }
}
