import { diag } from '../../host/diagnostics.js'
import { checkDuration } from '../../host/timers.js'
import { AuditError } from '../../errors.js'
import type { AuditBatch, AuditSink, HealthFinding, SinkOwner, WriteResult } from '../../contract/sink.js'
import { AppendStatements } from './append.js'
import { type AddPartitions, BlockWriter } from './block-writer.js'
import { checkStore, refuseStandby } from '../check.js'
import { Connection, type ConnectionOptions } from '../connection.js'
import type { ChainIdentity } from './enrolment.js'
import { connectionFault, fault, isLasting, isOutsideKeptRange } from '../faults.js'
import { ensurePartitionFor, ensurePartitions } from '../partitions.js'
import { openChain } from './open-chain.js'
import { remedyOf } from '../remedy.js'
import { checkSchemaName, DEFAULT_SCHEMA } from '../schema-name.js'
import { checkSchema } from '../schema-version.js'

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
  /**
   * Name of the log that the blocks belong to, which begins the names of its keys: no space, no plus sign. Default
   * `otel-audit/<database>`.
   */
  readonly origin?: string | undefined
  /** Ed25519 private key, PKCS#8 in PEM, that says of each chain that it is the operator's. */
  readonly enrolmentKey?: string | undefined
  /** The file that has it. */
  readonly enrolmentKeyFile?: string | undefined
  /** After how long without a row the writer says that it is alive, in ms. Default 60,000. */
  readonly idleAfterMs?: number | undefined
}

/** How long the server may take to answer when nothing else is said, in ms. */
const DEFAULT_ANSWER_TIMEOUT_MS = 5000

/** After how long without a row an idle block is written, when nothing else is said, in ms. */
const DEFAULT_IDLE_AFTER_MS = 60_000

/** How long the last block may take when the sink is closed, in ms. */
const LONGEST_CLOSING_BLOCK_MS = 2000

/** How often the writer makes sure that partitions are ahead, in ms. */
const PARTITIONS_EVERY_MS = 24 * 60 * 60 * 1000

/**
 * Writes rows to `<schema>.secret_audit`, a batch and its signed block in one statement, on one connection of its own.
 *
 * Connects at the first write, and again after every failure that leaves the connection in doubt. It needs the rights
 * of the writer role only; `otel-audit migrate` makes the tables.
 */
export class PostgresAuditSink implements AuditSink {
  readonly sinkId = 'db'
  readonly #options: ConnectionOptions &
    ChainIdentity & { readonly schema: string; readonly idleAfterMs: number }
  #writer: SinkOwner | undefined
  #connection: Connection | undefined
  /** Those that are not usable yet: closing does not wait for a server that never lets us in. */
  readonly #opening = new Set<Connection>()
  #blocks: BlockWriter | undefined
  #idle: NodeJS.Timeout | undefined
  /** Ends when nothing is being sent. */
  #turn: Promise<unknown> = Promise.resolve()
  #partitionsCheckedAt = -Infinity
  /** Sends that go on, or wait for their turn. */
  #sends = 0
  #closed = false

  constructor(options: PostgresAuditSinkOptions) {
    this.#options = {
      databaseUrl: options.databaseUrl,
      schema: checkSchemaName(options.schema ?? DEFAULT_SCHEMA),
      synchronousCommit: options.synchronousCommit ?? 'on',
      answerTimeoutMs: options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS,
      applicationName: options.applicationName ?? 'otel-audit',
      origin: options.origin,
      enrolmentKey: options.enrolmentKey,
      enrolmentKeyFile: options.enrolmentKeyFile,
      idleAfterMs: options.idleAfterMs ?? DEFAULT_IDLE_AFTER_MS,
    }
    checkDuration('answerTimeoutMs', this.#options.answerTimeoutMs, 1)
    checkDuration('idleAfterMs', this.#options.idleAfterMs, 1)
  }

  attach(writer: SinkOwner): void {
    this.#writer = writer
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    return this.#send(() => this.#write(batch))
  }

  async #write(batch: AuditBatch): Promise<WriteResult> {
    let connected: Connected
    try {
      connected = await this.#connected()
    } catch (error) {
      const lasting = error instanceof AuditError || isLasting(error)
      return { status: 'failed', lasting, fault: connectionFault(error) }
    }
    const { connection, blocks } = connected
    const result = await blocks.store(connection, batch, (...args) => this.#addPartitions(...args))
    if (result.status === 'committed') this.#restartIdleTimer()
    if (result.status === 'failed' || result.status === 'unknown') this.#letGo(connection)
    return result
  }

  /**
   * On a connection of its own: its trial write is rolled back, and no row of a batch may ever be in that transaction.
   *
   * @returns findings about the server's durability; none when all is well
   */
  async check(): Promise<readonly HealthFinding[]> {
    const { schema } = this.#options
    let connection: Connection | undefined
    try {
      connection = await this.#open()
      // As before a write: a month without a partition is no reason that writes would fail.
      await this.#keepAhead(connection)
      await openChain(connection, this.#options, this.#writer)
      return await connection.run((client) => checkStore(client, schema))
    } catch (error) {
      if (error instanceof AuditError) throw error
      const { code, message, cause } = fault('AUDIT_UNAVAILABLE', 'the store cannot be checked', error)
      throw new AuditError(code, `${message}; ${remedyOf(error)}`, { cause })
    } finally {
      await connection?.close()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    for (const opening of this.#opening) opening.destroy()
    // A write in progress loses its socket, and answers `unknown`: whoever closes now has waited long enough.
    if (this.#sends > 0) this.#connection?.destroy()
    await this.#alone(async () => {
      const connection = this.#connection
      this.#connection = undefined
      if (connection?.isBroken === false)
        await this.#blocks?.end(connection, 'close', LONGEST_CLOSING_BLOCK_MS)
      await connection?.close()
    })
  }

  /** What is sent by itself and what a write sends do not meet on the connection. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  async #send<T>(work: () => Promise<T>): Promise<T> {
    this.#sends++
    try {
      return await this.#alone(work)
    } finally {
      this.#sends--
    }
  }

  #restartIdleTimer(): void {
    if (this.#closed) return
    this.#idle ??= setTimeout(() => void this.#send(() => this.#sayIdle()), this.#options.idleAfterMs).unref()
    this.#idle.refresh()
  }

  async #sayIdle(): Promise<void> {
    const connection = this.#connection
    if (this.#closed || connection === undefined || connection.isBroken) return
    // A block in doubt is sent again before the next rows.
    if (this.#blocks?.endsUnclean && !(await this.#blocks.end(connection, 'idle'))) this.#letGo(connection)
  }

  /** @returns why the batch is not worth another try at once */
  async #addPartitions(connection: Connection, batch: AuditBatch): ReturnType<AddPartitions> {
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

  async #connected(): Promise<Connected> {
    const current = this.#connection
    if (current?.isBroken === false && this.#blocks !== undefined) {
      return { connection: await this.#keepAhead(current), blocks: this.#blocks }
    }
    const connection = await this.#open()
    this.#connection = connection
    try {
      if (this.#closed) throw new AuditError('AUDIT_CLOSED', 'the sink is closed')
      this.#blocks ??= await this.#openBlocks(connection)
      await connection.run(refuseStandby)
      await this.#blocks.checkHead(connection)
      return { connection: await this.#keepAhead(connection), blocks: this.#blocks }
    } catch (error) {
      this.#letGo(connection)
      throw error
    }
  }

  async #openBlocks(connection: Connection): Promise<BlockWriter> {
    const statements = await AppendStatements.load(this.#options.schema)
    const chain = await openChain(connection, this.#options, this.#writer)
    return new BlockWriter(statements, chain, this.#writer)
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

interface Connected {
  readonly connection: Connection
  readonly blocks: BlockWriter
}
