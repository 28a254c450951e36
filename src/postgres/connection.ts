import { diag } from '../host/diagnostics.js'
import type { Client, ClientBase, CustomTypesConfig } from 'pg'
import { untraced } from '../host/untraced.js'

export interface ConnectionOptions {
  readonly databaseUrl: string
  /** `on`, or `remote_apply` where a synchronous standby must have applied the row. */
  readonly synchronousCommit: 'on' | 'remote_apply'
  /** How long connecting, and any one answer, may take, in ms. */
  readonly answerTimeoutMs: number
  readonly applicationName: string
  /** Nothing can be written. Default: no. */
  readonly readOnly?: boolean
}

/** What node-postgres has, and its types lack. */
interface Referencing {
  ref(): void
  unref(): void
}

/**
 * How this connection reads values: text, but for these types. The parsers of `pg` are one table for the whole process,
 * and applications change it; 64-bit integers as JavaScript numbers would round audit ids.
 */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't', // boolean
  17: (text) => Buffer.from(text.slice(2), 'hex'), // bytea; the session sets `bytea_output`
  23: Number, // int4
}
const asText = (text: string): string => text
const OWN_TYPES: CustomTypesConfig = { getTypeParser: (type: number) => PARSERS[type] ?? asText }

/** A warning of the server. */
export interface ServerWarning {
  readonly code: string
  readonly message: string
  /** Where in the server's source it was raised. */
  readonly routine: string | undefined
}

/** How long the server may take to close its end, in ms: there is nothing left to lose. */
const LONGEST_GOODBYE_MS = 1000

/** The server did not answer in time. What was sent may still be carried out. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * One connection of the sink's own, never the application's pool.
 *
 * Every use is bounded by a timer of ours (a server that hangs answers nothing, and `statement_timeout` does not cover
 * a commit that waits for a standby), is not traced, and keeps the process alive only while it lasts. After a
 * {@link NoAnswer} or a lost socket the connection is of no use any more.
 */
export class Connection {
  readonly #client: Client & Referencing
  readonly #options: ConnectionOptions
  readonly #warnings: ServerWarning[] = []
  #broken: Error | undefined

  private constructor(client: Client & Referencing, options: ConnectionOptions) {
    this.#client = client
    this.#options = options
    client.on('error', (error) => {
      this.#broken ??= error
    })
    client.on('end', () => {
      this.#broken ??= new Error('the connection was closed')
    })
    // By SQLSTATE, since the severity's name depends on the server's language: a NOTICE has 00000.
    client.on('notice', ({ code = '', message = '', routine }) => {
      if (code !== '00000') this.#warnings.push({ code, message, routine })
    })
  }

  /** Not connected yet: {@link connect} does that, and {@link destroy} ends it. */
  static async create(options: ConnectionOptions): Promise<Connection> {
    const { default: pg } = await import('pg')
    const client = new pg.Client({
      connectionString: options.databaseUrl,
      application_name: options.applicationName,
      keepAlive: true,
      types: OWN_TYPES,
    }) as Client & Referencing
    return new Connection(client, options)
  }

  /** @returns a connected one */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = await Connection.create(options)
    await connection.connect()
    return connection
  }

  /** Connects, with settings that neither role nor server decide. It is of no use when that fails. */
  async connect(): Promise<void> {
    try {
      await this.#bounded(() => this.#client.connect())
      await this.#bounded(() => this.#client.query(sessionSettings(this.#options)))
      this.#client.unref()
    } catch (error) {
      this.destroy()
      throw error
    }
  }

  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  /** Warnings of the server since the last call. */
  takeWarnings(): ServerWarning[] {
    return this.#warnings.splice(0)
  }

  /** Runs `work` on the connection, within the answer time, or less. */
  async run<T>(work: (client: ClientBase) => Promise<T>, longestMs?: number): Promise<T> {
    if (this.#broken !== undefined) throw this.#broken
    this.#client.ref()
    try {
      return await this.#bounded(() => work(this.#client), longestMs)
    } finally {
      this.#client.unref()
    }
  }

  /** Cuts the socket. What was sent may still be carried out. */
  destroy(): void {
    this.#broken ??= new Error('the connection was given up')
    // `end` would wait for a server that may hang; node-postgres has no other way to let go of the socket.
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } }
    connection.stream.destroy()
  }

  /** Says good-bye, and cuts the socket if that takes too long. */
  async close(): Promise<void> {
    if (this.isBroken) return this.destroy()
    try {
      await this.#bounded(() => this.#client.end(), LONGEST_GOODBYE_MS)
    } catch (error) {
      diag.debug('otel-audit: closing the connection failed', error)
      this.destroy()
    }
  }

  async #bounded<T>(work: () => Promise<T>, longestMs = Number.POSITIVE_INFINITY): Promise<T> {
    const ms = Math.min(longestMs, this.#options.answerTimeoutMs)
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new NoAnswer(`no answer within ${ms} ms`))
        this.destroy()
      }, ms)
    })
    try {
      return await Promise.race([untraced(work), timeUp])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The server gives up a statement first, and says so: our own timer is for one that does not answer. */
const STATEMENT_SHARE = 0.8

/** How long the server may take over a statement of which the answer may take so long. Both in ms. */
export function statementTimeoutOf(answerTimeoutMs: number): number {
  return Math.max(1, Math.floor(answerTimeoutMs * STATEMENT_SHARE))
}

/**
 * Settings that a role, a database or the server may have set otherwise. `synchronous_commit` below `on` would make
 * "committed" untrue; `statement_timeout` below our own timer gives most failures a known fate.
 */
function sessionSettings({
  synchronousCommit,
  answerTimeoutMs,
  readOnly = false,
}: ConnectionOptions): string {
  return [
    `set synchronous_commit = ${synchronousCommit}`,
    "set default_transaction_isolation = 'read committed'",
    `set default_transaction_read_only = ${readOnly ? 'on' : 'off'}`,
    `set statement_timeout = ${statementTimeoutOf(answerTimeoutMs)}`,
    "set client_encoding = 'UTF8'",
    "set timezone = 'UTC'",
    "set bytea_output = 'hex'",
  ].join(';')
}
