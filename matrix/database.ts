import type { PostgresServer } from '../test/support/postgres/server.js'
import type { Consumer } from './consumer.js'

/** A row of an access, read without the package. */
export interface Row extends Record<string, unknown> {
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly notes: string | null
  readonly trace_id: string | null
  readonly span_id: string | null
  /** Of an access that nobody recorded by hand: the layer that saw it. */
  readonly seen: string | null
  readonly provider: string | null
  /** At the wire: the call of a client that this is an attempt of, and which one. */
  readonly invocation: string | null
  readonly attempt: number | null
}

/** How a client was covered: one row about it. */
export interface Covered extends Record<string, unknown> {
  /** With its version. */
  readonly client: string
  readonly state: string
}

const ROWS = `
  select credential, operation, outcome, notes, trace_id, span_id, attributes ->> 'seen' as seen,
    attributes ->> 'provider' as provider, attributes ->> 'invocation' as invocation, (attributes ->> 'attempt')::int as attempt
  from noetl.secret_audit where operation not like 'audit%' order by audit_id`
const LIFECYCLE = `select outcome from noetl.secret_audit where operation = 'audit_lifecycle' order by audit_id`
const COVERAGE = `
  select credential as client, outcome as state
  from noetl.secret_audit where operation = 'audit_coverage' order by audit_id`
/** The name that the examples have. */
const LOGIN = 'audit_writer'

/** A database that the installed command has migrated, with a login that may do no more than write. */
export class Database {
  readonly name: string
  readonly #server: PostgresServer

  private constructor(server: PostgresServer, name: string) {
    this.#server = server
    this.name = name
  }

  static async create(server: PostgresServer, name: string, consumer: Consumer): Promise<Database> {
    await server.query(`create database ${name}`)
    const database = new Database(server, name)
    await consumer.cli(['migrate', '--roles'], { DATABASE_URL: database.ownerUrl })
    await server.query(
      `do $$ begin create role ${LOGIN} login in role noetl_audit_writer; exception when duplicate_object then end $$`,
    )
    return database
  }

  get url(): string {
    return this.#server.url(this.name, LOGIN)
  }

  get ownerUrl(): string {
    return this.#server.url(this.name)
  }

  async rows(): Promise<readonly Row[]> {
    return (await this.query<Row>(ROWS)).rows
  }

  async coverage(): Promise<readonly Covered[]> {
    return (await this.query<Covered>(COVERAGE)).rows
  }

  /** The lifecycle rows of the pipelines: started, stopped. */
  async lifecycle(): Promise<readonly string[]> {
    return (await this.query<{ outcome: string }>(LIFECYCLE)).rows.map(({ outcome }) => outcome)
  }

  /** Its server ends all sessions, and is gone: nothing is stored until {@link startServer}. */
  stopServer(): Promise<void> {
    return this.#server.stop('fast')
  }

  startServer(): Promise<void> {
    return this.#server.start()
  }

  /** Its server is silent, and answers nothing until {@link resumeServer}. */
  pauseServer(): Promise<void> {
    return this.#server.pause()
  }

  resumeServer(): void {
    this.#server.resume()
  }

  /** As the owner. */
  query<Row extends Record<string, unknown>>(sql: string) {
    return this.#server.query<Row>(sql, [], this.name)
  }
}
