import { diag } from '../../diagnostics.js'
import { AuditError } from '../../errors.js'
import type { AuditBatch, AuditSink, SinkFinding, WriteResult } from '../sink.js'
import { AppendStatements } from './append.js'
import { checkStore } from './check.js'
import { Connection, type ConnectionOptions, NoAnswer, type ServerWarning } from './connection.js'
import {
  endsSession,
  fault,
  isLasting,
  isMissingPartition,
  isOutsideKeptRange,
  isServerError,
  verdictOf,
} from './faults.js'
import { ensurePartitionFor, ensurePartitions } from './partitions.js'
import { checkSchemaName, DEFAULT_SCHEMA } from './schema-name.js'
import { checkSchema } from './schema-version.js'

export interface PostgresAuditSinkOptions {
  /** `postgres://user:password@host:port/database` */
  readonly databaseUrl: string
  /** Default `noetl`. */
  readonly schema?: string | undefined
  /** `on` (default), or `remote_apply` where a synchronous standby must have applied the row. */
  readonly synchronousCommit?: 'on' | 'remote_apply' | undefined
  /** How long the server may take to answer before the connection is given up, in ms. Default 5,000. */
  readonly answerTimeoutMs?: number | undefined
  /** Name of the session in `pg_stat_activity`. Default `otel-audit`. */
  readonly applicationName?: string | undefined
}

/** How long the server may take to answer when nothing else is said, in ms. */
export const DEFAULT_ANSWER_TIMEOUT_MS = 5000

/** How often the writer makes sure that partitions are ahead, in ms. */
const PARTITIONS_EVERY_MS = 24 * 60 * 60 * 1000

/**
 * Writes rows to `<schema>.secret_audit`, a batch in one statement, on one connection of its own.
 *
 * Connects at the first write, and again after every failure that leaves the connection in doubt. It needs the rights
 * of the writer role only; `otel-audit migrate` makes the tables.
 */
export class PostgresAuditSink implements AuditSink {
  readonly sinkId = 'db'
  readonly #options: ConnectionOptions & { readonly schema: string }
  #connection: Connection | undefined
  /** Those that are not usable yet: closing does not wait for a server that never lets us in. */
  readonly #opening = new Set<Connection>()
  #statements: AppendStatements | undefined
  #partitionsCheckedAt = -Infinity
  #writing = false
  #closed = false

  constructor(options: PostgresAuditSinkOptions) {
    this.#options = {
      databaseUrl: options.databaseUrl,
      schema: checkSchemaName(options.schema ?? DEFAULT_SCHEMA),
      synchronousCommit: options.synchronousCommit ?? 'on',
      answerTimeoutMs: options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS,
      applicationName: options.applicationName ?? 'otel-audit',
    }
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    this.#writing = true
    try {
      return await this.#write(batch)
    } finally {
      this.#writing = false
    }
  }

  async #write(batch: AuditBatch): Promise<WriteResult> {
    let connection: Connection
    try {
      connection = await this.#connected()
    } catch (error) {
      const lasting = error instanceof AuditError || isLasting(error)
      return { status: 'failed', lasting, fault: fault('AUDIT_UNAVAILABLE', 'no connection', error) }
    }
    const result = await this.#append(connection, batch, true)
    if (result.status === 'failed' || result.status === 'unknown') this.#letGo(connection)
    return result
  }

  /**
   * On a connection of its own: its trial write is rolled back, and no row of a batch may ever be in that transaction.
   *
   * @returns findings about the server's durability; none when all is well
   */
  async check(): Promise<readonly SinkFinding[]> {
    const { schema } = this.#options
    let connection: Connection | undefined
    try {
      connection = await this.#open()
      // As before a write: a month without a partition is no reason that writes would fail.
      await this.#keepAhead(connection)
      return await connection.run((client) => checkStore(client, schema))
    } catch (error) {
      if (error instanceof AuditError) throw error
      const { code, message, cause } = fault('AUDIT_UNAVAILABLE', 'the store cannot be checked', error)
      throw new AuditError(code, message, { cause })
    } finally {
      await connection?.close()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const connection = this.#connection
    this.#connection = undefined
    for (const opening of this.#opening) opening.destroy()
    // A write in progress loses its socket, and answers `unknown`: whoever closes now has waited long enough.
    if (this.#writing) connection?.destroy()
    else await connection?.close()
  }

  async #append(connection: Connection, batch: AuditBatch, mayAddPartition: boolean): Promise<WriteResult> {
    // What came with a log-in, or with a statement that failed, says nothing about this one.
    connection.takeWarnings()
    try {
      const committedAt = await connection.run((client) => this.#sql.append(client, batch))
      return unconfirmed(connection.takeWarnings()) ?? { status: 'committed', committedAt }
    } catch (error) {
      if (!isServerError(error) || endsSession(error)) {
        const doubt = error instanceof NoAnswer ? 'the database did not answer' : 'the connection was lost'
        return (
          unconfirmed(connection.takeWarnings()) ?? {
            status: 'unknown',
            fault: fault('AUDIT_TIMEOUT', `${doubt} after the rows were sent`, error),
          }
        )
      }
      if (mayAddPartition && isMissingPartition(error)) {
        return (await this.#addPartitions(connection, batch)) ?? this.#append(connection, batch, false)
      }
      return this.#refusal(connection, batch, error)
    }
  }

  /** The server answered ERROR, so nothing of this send is stored. An earlier one may have been. */
  async #refusal(
    connection: Connection,
    batch: AuditBatch,
    error: Parameters<typeof verdictOf>[0],
  ): Promise<WriteResult> {
    const verdict = verdictOf(error)
    if (verdict === 'duplicate' || verdict === 'data') {
      try {
        const ids = batch.entries.map(({ event }) => event.auditId)
        const held = await connection.run((client) => this.#sql.held(client, ids))
        if (verdict === 'duplicate' || held.size > 0) return { status: 'conflict', held }
        return { status: 'refused', fault: fault('AUDIT_REJECTED', 'the database refuses the row', error) }
      } catch (lookupError) {
        // Whose rows those are is not known: perhaps this batch's own, from an earlier send.
        return {
          status: 'unknown',
          fault: fault('AUDIT_TIMEOUT', 'refused, and what is stored is not known', lookupError),
        }
      }
    }
    return {
      status: 'failed',
      lasting: verdict === 'lasting',
      fault: fault('AUDIT_UNAVAILABLE', 'the database refuses to write', error),
    }
  }

  /** @returns why the batch is not worth another try at once */
  async #addPartitions(connection: Connection, batch: AuditBatch): Promise<WriteResult | undefined> {
    const ends = [batch.entries[0], batch.entries.at(-1)]
    try {
      await connection.run(async (client) => {
        for (const entry of ends) {
          if (entry !== undefined) await ensurePartitionFor(client, this.#options.schema, entry.event.auditId)
        }
      })
      return undefined
    } catch (error) {
      if (isOutsideKeptRange(error)) {
        return { status: 'refused', fault: fault('AUDIT_REJECTED', 'outside the kept range', error) }
      }
      const why = fault('AUDIT_UNAVAILABLE', 'a partition is missing, and could not be made', error)
      return { status: 'failed', lasting: isLasting(error), fault: why }
    }
  }

  get #sql(): AppendStatements {
    if (this.#statements === undefined) throw new TypeError('the statements are loaded when connecting')
    return this.#statements
  }

  async #connected(): Promise<Connection> {
    if (this.#connection?.isBroken === false) return this.#keepAhead(this.#connection)
    this.#statements ??= await AppendStatements.load(this.#options.schema)
    const connection = await this.#open()
    if (this.#closed) {
      connection.destroy()
      throw new AuditError('AUDIT_CLOSED', 'the sink is closed')
    }
    this.#connection = connection
    return this.#keepAhead(connection)
  }

  async #open(): Promise<Connection> {
    const connection = await Connection.create(this.#options)
    if (this.#closed) throw new AuditError('AUDIT_CLOSED', 'the sink is closed')
    this.#opening.add(connection)
    try {
      await connection.connect()
      await connection.run((client) => checkSchema(client, this.#options.schema))
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    } finally {
      this.#opening.delete(connection)
    }
  }

  /** Once a day: partitions for the coming months. What goes wrong here must not stop today's rows. */
  async #keepAhead(connection: Connection): Promise<Connection> {
    if (performance.now() - this.#partitionsCheckedAt < PARTITIONS_EVERY_MS) return connection
    this.#partitionsCheckedAt = performance.now()
    try {
      await connection.run((client) => ensurePartitions(client, this.#options.schema))
    } catch (error) {
      diag.error(
        'otel-audit: partitions for the coming months could not be made',
        fault('AUDIT_UNAVAILABLE', 'ensure', error).message,
      )
      if (connection.isBroken) throw error
    }
    return connection
  }

  #letGo(connection: Connection): void {
    if (this.#connection === connection) this.#connection = undefined
    connection.destroy()
  }
}

/** A commit that comes with a warning ("may not have been replicated") is not the commit that was asked for. */
function unconfirmed(warnings: readonly ServerWarning[]): WriteResult | undefined {
  if (warnings.length === 0) return undefined
  const message = `the commit came with a warning: ${warnings.map(said).join('; ')}`
  return { status: 'unknown', fault: { code: 'AUDIT_UNCONFIRMED', message } }
}

/** A warning of an owner's trigger may quote the row; that of a commit that waits for its standby does not. */
function said({ code, message, routine }: ServerWarning): string {
  return routine === 'SyncRepWaitForLSN' ? message : `SQLSTATE ${code}`
}
