import { clearTimeout, setTimeout } from '../../host/globals.js'
import type { QueryConfig } from 'pg'
import { AuditError } from '../../errors.js'
import { type Connection, NoAnswer } from '../connection.js'
import { isServerError, withoutRowContents } from '../faults.js'
import { roleNames } from '../schema-name.js'
import type { DatabaseUrl } from '../database-url.js'
import { openSession, statementTimeoutMs } from '../session.js'

export interface ReaderOptions {
  readonly databaseUrl: DatabaseUrl
  readonly schema: string
  /** How long one statement may take, in ms. */
  readonly timeoutMs: number
  /** Most connections at once. */
  readonly connections: number
  readonly applicationName: string
  /** Identities of the trail: with any other one nothing is read. Default: whichever is there. */
  readonly trails?: readonly string[] | undefined
}

export const INSUFFICIENT_PRIVILEGE = '42501'

export function mayNotRead(schema: string, cause: unknown): AuditError {
  const { reader } = roleNames(schema)
  const problem = `this login may not read the trail; as the owner: GRANT ${reader} TO <this login>`
  const remedy = 'Grant it the reader role. `otel-audit migrate --roles` makes that role where there is none.'
  return new AuditError('AUDIT_READ_FAILED', problem, { cause, remedy })
}

interface Waiter {
  readonly give: (connection: Connection | undefined) => void
  readonly timer: NodeJS.Timeout
}

/**
 * A few connections that can only read. Each is used by one statement at a time; who finds none waits, in order, as long
 * as a statement may take. Idle ones do not keep the process alive.
 */
export class Reader {
  readonly #options: ReaderOptions
  readonly #idle: Connection[] = []
  readonly #waiting: Waiter[] = []
  readonly #busy = new Set<Connection>()
  #open = 0
  #closed = false

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /**
   * Runs one statement.
   *
   * @param rowMode `array`: rows are arrays, where two columns have one name
   * @throws AuditError `AUDIT_READ_TIMEOUT`, `AUDIT_READ_FAILED`, `AUDIT_SCHEMA`, `AUDIT_TRAIL`; none of them quotes a
   *   row
   */
  async query<Row extends object>(
    text: string,
    values: readonly unknown[] = [],
    rowMode?: 'array',
  ): Promise<Row[]> {
    const query: QueryConfig & { rowMode?: string | undefined } = { text, values: [...values], rowMode }
    const connection = await this.#take()
    try {
      const { rows } = await connection.run((client) => client.query<Row>(query))
      return rows
    } catch (error) {
      throw this.#explained(error)
    } finally {
      this.#giveBack(connection)
    }
  }

  /** Ends all connections, also those in use. */
  async close(): Promise<void> {
    this.#closed = true
    for (const { give, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      give(undefined)
    }
    for (const connection of this.#busy) connection.destroy()
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()))
  }

  async #take(): Promise<Connection> {
    if (this.#closed) throw new AuditError('AUDIT_CLOSED', 'the trail is closed: make another one')
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      this.#use(idle)
      if (await idle.answers()) return idle
      this.#busy.delete(idle)
      this.#open--
    }
    if (this.#open < this.#options.connections) return this.#use(await this.#connect())
    const given = await new Promise<Connection | undefined>((give) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(
          this.#waiting.findIndex((waiter) => waiter.timer === timer),
          1,
        )
        give(undefined)
      }, this.#options.timeoutMs)
      this.#waiting.push({ give, timer })
    })
    if (given !== undefined) return given
    throw new AuditError(
      'AUDIT_READ_TIMEOUT',
      `all ${this.#options.connections} connections were busy for ${this.#options.timeoutMs} ms`,
    )
  }

  #use(connection: Connection): Connection {
    this.#busy.add(connection)
    return connection
  }

  async #connect(): Promise<Connection> {
    const { databaseUrl, schema, timeoutMs, applicationName, trails = [] } = this.#options
    const expected = trails.length === 0 ? undefined : { schema, trails }
    this.#open++
    try {
      return await openSession('query', {
        databaseUrl,
        applicationName,
        answerTimeoutMs: timeoutMs,
        expected,
      })
    } catch (error) {
      this.#open--
      throw error instanceof NoAnswer ? noConnection(error) : this.#explained(error)
    }
  }

  #giveBack(connection: Connection): void {
    this.#busy.delete(connection)
    if (this.#closed) connection.destroy()
    const waiter = this.#waiting.shift()
    if (waiter === undefined) {
      if (connection.isBroken) this.#open--
      else this.#idle.push(connection)
      return
    }
    clearTimeout(waiter.timer)
    if (!connection.isBroken) return waiter.give(this.#use(connection))
    this.#open--
    this.#connect().then(
      (fresh) => waiter.give(this.#use(fresh)),
      () => waiter.give(undefined),
    )
  }

  #explained(error: unknown): unknown {
    if (error instanceof AuditError) return error
    const { schema, timeoutMs } = this.#options
    const code = isServerError(error) ? error.code : undefined
    const cause = withoutRowContents(error)
    if (code === '57014' || error instanceof NoAnswer) {
      const limit = statementTimeoutMs(timeoutMs)
      return new AuditError('AUDIT_READ_TIMEOUT', `the query took longer than ${limit} ms`, { cause })
    }
    if (code === '42P01' || code === '3F000' || code === '42703') {
      const problem = `schema ${schema} does not hold the tables that this version of otel-audit reads`
      return new AuditError('AUDIT_SCHEMA', problem, { cause })
    }
    if (code === INSUFFICIENT_PRIVILEGE) return mayNotRead(schema, cause)
    return new AuditError('AUDIT_READ_FAILED', cause.message, { cause })
  }
}

function noConnection(cause: NoAnswer): AuditError {
  const remedy = 'The server, or what is between here and it, does not answer at all: look there first.'
  return new AuditError('AUDIT_READ_FAILED', `no connection: ${cause.message}`, { cause, remedy })
}
