import { clearTimeout, setTimeout } from '../../host/globals.js'
import { checkChoice, checkText, checkTextOrSource } from '../../host/check.js'
import { diag } from '../../host/diagnostics.js'
import { moved, type Moves } from '../../host/invariant.js'
import { givenOptions } from '../../host/own.js'
import { checkDuration } from '../../host/timers.js'
import { AuditError } from '../../errors.js'
import type { AuditBatch, HealthFinding, SecondSink, SinkOwner, WriteResult } from '../../contract/sink.js'
import { AppendStatements } from './append.js'
import { BlockWriter } from './block-writer.js'
import { checkStore, refuseStandby } from '../check.js'
import type { Connection } from '../connection.js'
import type { EnrolmentOptions } from './enrolment.js'
import { connectionFault, fault, isLasting } from '../faults.js'
import { openChain } from './open-chain.js'
import { ownerFinding } from '../owner.js'
import { packageFile } from '../../host/package-file.js'
import { PartitionKeeper, serverTime } from './partition-keeper.js'
import { remedyOf } from '../remedy.js'
import { entranceFindings } from '../server-proof.js'
import { checkSchemaName, DEFAULT_SCHEMA } from '../schema-name.js'
import { refuseRenamed } from '../renamed-schema.js'
import { checkSchema } from '../schema-version.js'
import type { DatabaseUrl } from '../database-url.js'
import { openSession, type WriteSession } from '../session.js'
import { checkTrailId, type ExpectedTrail } from '../trail-identity.js'
import { type StoreCheck, storeCheck } from '../store/full-check.js'
import { StoreGuard } from '../store/guard.js'

export interface PostgresAuditSinkOptions {
  /** `postgres://user:password@host:port/database`, or a function that gives it, called at each connect. */
  readonly databaseUrl: DatabaseUrl
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
  /** Identity of the trail that must be there, 32 hex digits: another one is refused at every connect. */
  readonly trail?: string | undefined
  /** After how long without a row the writer says that it is alive, in ms. Default 60,000. */
  readonly idleAfterMs?: number | undefined
  /**
   * What others have attached to the tables and is meant to be there: lines that `otel-audit doctor` prints, separated by
   * line ends or semicolons.
   */
  readonly allowInStore?: string | undefined
}

/** How long the server may take to answer when nothing else is said, in ms. */
export const DEFAULT_ANSWER_TIMEOUT_MS = 5000

/** After how long without a row an idle block is written, when nothing else is said, in ms. */
const DEFAULT_IDLE_AFTER_MS = 60_000

/** How long the last block may take when the sink is closed, in ms. */
const LONGEST_CLOSING_BLOCK_MS = 2000

/** Where the sink is with its connection. The self-test has one of its own, and is not counted. */
type State = 'disconnected' | 'connecting' | 'connected' | 'closing' | 'closed'

const MOVES: Moves<State> = {
  disconnected: ['connecting', 'closing'],
  connecting: ['connected', 'disconnected', 'closing'],
  connected: ['disconnected', 'closing'],
  closing: ['closed'],
  closed: [],
}

/**
 * Writes rows to `<schema>.secret_audit`, a batch and its signed block in one statement, on one connection of its own.
 *
 * Connects at the first write, and again after every failure that leaves the connection in doubt. It needs the rights
 * of the writer role only; `otel-audit migrate` makes the tables. The one {@link beside} it has a chain of its own, and lets go
 * of its connection when it says that it is idle; the chain is kept.
 *
 * ```
 *                   write                 usable
 *   disconnected ───────────► connecting ─────────► connected
 *        ▲                        │                     │
 *        └─── not usable, lost, in doubt, or idle ──────┘
 *
 *   any of these ── close ──► closing ── last block, or none ──► closed
 * ```
 */
export class PostgresAuditSink implements SecondSink {
  readonly sinkId = 'db'
  readonly #given: PostgresAuditSinkOptions
  readonly #options: WriteSession &
    EnrolmentOptions & { readonly schema: string; readonly idleAfterMs: number }
  #writer: SinkOwner | undefined
  readonly #partitions: PartitionKeeper
  readonly #check: StoreCheck
  readonly #guard: StoreGuard
  /** The trail of the option, else the one that this process has begun to write to. */
  #expected: ExpectedTrail | undefined
  #state: State = 'disconnected'
  /** That of `connecting`, once there is one, of `connected`, and of `closing`. */
  #connection: Connection | undefined
  /** Cuts what is not usable yet: closing does not wait for a server that never lets us in. */
  readonly #opening = new AbortController()
  #blocks: BlockWriter | undefined
  #idle: NodeJS.Timeout | undefined
  /** Ends when nothing is being sent. */
  #turn: Promise<unknown> = Promise.resolve()
  /** Sends that go on, or wait for their turn. */
  #sends = 0
  #second: PostgresAuditSink | undefined
  /** It is that one, of another. */
  #isSecond = false

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(given: PostgresAuditSinkOptions) {
    const options = (this.#given = givenOptions(given))
    checkTextOrSource('databaseUrl', options.databaseUrl)
    checkChoice('synchronousCommit', options.synchronousCommit ?? 'on', ['on', 'remote_apply'])
    checkText('applicationName', options.applicationName ?? 'otel-audit')
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
    this.#partitions = new PartitionKeeper(this.#options.schema)
    this.#check = storeCheck({ ...this.#options, allowInStore: options.allowInStore })
    this.#guard = new StoreGuard(this.#options, this.#check)
    if (options.trail !== undefined) this.#expect(checkTrailId(options.trail))
    checkDuration('answerTimeoutMs', this.#options.answerTimeoutMs, 1)
    checkDuration('idleAfterMs', this.#options.idleAfterMs, 1)
  }

  attach(writer: SinkOwner): void {
    this.#writer = writer
  }

  beside(): SecondSink {
    this.#second ??= this.#makeSecond()
    return this.#second
  }

  #makeSecond(): PostgresAuditSink {
    const second = new PostgresAuditSink(this.#given)
    second.#isSecond = true
    if (this.#writer !== undefined) second.attach(asSecond(this.#writer))
    const [trail] = this.#expected?.trails ?? []
    if (trail !== undefined) second.#expect(trail)
    return second
  }

  /** Whether it has a connection that the store was checked on. */
  get isReady(): boolean {
    return this.#state === 'connected' && this.#connection?.isBroken === false
  }

  /** Connects, as the first write would. */
  async prepare(): Promise<void> {
    await this.#send(async () => {
      await this.#connected()
      const refusal = this.#guard.refusal()
      if (refusal !== undefined) throw new AuditError('AUDIT_UNAVAILABLE', refusal.message)
      this.#restartIdleTimer()
    })
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
    const refusal = this.#guard.refusal()
    if (refusal !== undefined) return { status: 'failed', lasting: true, fault: refusal }
    const { connection, blocks } = connected
    const result = await blocks.store(connection, batch)
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
    let connection: Connection | undefined
    try {
      const opened = (connection = await this.#open())
      // As before a write: a month without a partition is no reason that writes would fail.
      await this.#partitions.keepAhead(opened)
      const { trail } = await openChain(opened, this.#options, this.#writer)
      this.#expect(trail)
      const owner = await opened.run((client) => ownerFinding(client, this.#options.schema))
      const found = [...entranceFindings(opened.entrance), ...(await checkStore(opened, this.#check))]
      return owner === undefined ? found : [owner, ...found]
    } catch (error) {
      if (error instanceof AuditError) throw error
      const { code, message, cause } = fault('AUDIT_UNAVAILABLE', 'the store cannot be checked', error)
      throw new AuditError(code, `${message}; ${remedyOf(error)}`, { cause })
    } finally {
      await connection?.close()
    }
  }

  /** ms since the Unix epoch, by the database's clock, on a connection of its own. @throws AuditError `AUDIT_UNAVAILABLE` */
  async databaseTime(): Promise<number> {
    const connection = await this.#open()
    try {
      const time = await serverTime(connection)
      if (time !== undefined) return time
      throw new AuditError('AUDIT_UNAVAILABLE', 'the database does not say what time it is')
    } finally {
      await connection.close()
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#second?.close(), this.#close()])
  }

  async #close(): Promise<void> {
    if (this.#isEnding) return this.#alone(async () => {})
    this.#to('closing')
    clearTimeout(this.#idle)
    this.#opening.abort(new AuditError('AUDIT_CLOSED', 'the sink is closed'))
    this.#guard.close()
    // A write in progress loses its socket, and answers `unknown`: whoever closes now has waited long enough.
    if (this.#sends > 0) this.#connection?.destroy()
    await this.#alone(async () => {
      const connection = this.#connection
      this.#connection = undefined
      try {
        if (connection?.isBroken === false)
          await this.#blocks?.end(connection, 'close', LONGEST_CLOSING_BLOCK_MS)
        await connection?.close()
      } finally {
        this.#to('closed')
      }
    })
  }

  #expect(trail: string): void {
    this.#expected = { schema: this.#options.schema, trails: [trail] }
    this.#guard.expect(this.#expected)
  }

  #to(next: State): void {
    this.#state = moved('a sink', MOVES, this.#state, next)
  }

  get #isEnding(): boolean {
    return this.#state === 'closing' || this.#state === 'closed'
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
    if (this.#isEnding) return
    this.#idle ??= setTimeout(() => void this.#send(() => this.#sayIdle()), this.#options.idleAfterMs).unref()
    this.#idle.refresh()
  }

  async #sayIdle(): Promise<void> {
    if (this.#isEnding) return
    // A block in doubt is sent again before the next rows.
    if (this.#blocks?.endsUnclean !== true) return this.#park()
    try {
      // It may be a new one: a process that was idle while its database restarted is no less alive.
      const { connection, blocks } = await this.#connected()
      if (!blocks.endsUnclean || (await blocks.end(connection, 'idle'))) return await this.#park()
      this.#letGo(connection)
    } catch (error) {
      diag.debug('otel-audit: the idle block cannot be written yet', error)
    }
    this.#restartIdleTimer()
  }

  /** A connection that is needed under load only is one less for others. */
  async #park(): Promise<void> {
    const connection = this.#connection
    if (!this.#isSecond || this.#state !== 'connected' || connection === undefined) return
    this.#connection = undefined
    this.#to('disconnected')
    await connection.close()
  }

  async #connected(): Promise<Connected> {
    const current = this.#connection
    const isOpen = this.#state === 'connected' && current !== undefined && (await current.answers())
    if (isOpen && this.#blocks !== undefined) {
      await this.#partitions.keepAhead(current)
      return { connection: current, blocks: this.#blocks }
    }
    this.#opening.signal.throwIfAborted()
    if (this.#state === 'connected') this.#to('disconnected')
    this.#to('connecting')
    try {
      const connection = await this.#open()
      this.#connection = connection
      this.#opening.signal.throwIfAborted()
      this.#blocks ??= await this.#openBlocks(connection)
      await connection.run(refuseStandby)
      await this.#blocks.checkHead(connection)
      await this.#partitions.keepAhead(connection)
      // Behind what makes partitions. It may be another server, or have been altered in between.
      await this.#guard.checkNow()
      this.#opening.signal.throwIfAborted()
      this.#to('connected')
      return { connection, blocks: this.#blocks }
    } catch (error) {
      this.#letGo(this.#connection)
      throw error
    }
  }

  async #openBlocks(connection: Connection): Promise<BlockWriter> {
    const statements = await AppendStatements.load(this.#options.schema)
    const chain = await openChain(connection, this.#options, this.#writer)
    // Whatever it is reached by from now on: receipts of one process are of one trail.
    this.#expect(chain.trail)
    return new BlockWriter(statements, this.#partitions, this.#guard, chain, this.#writer)
  }

  async #open(): Promise<Connection> {
    // What is wrong with the package is not to be looked for in the database.
    packageFile('./append-rows.sql', import.meta.url)
    const { signal } = this.#opening
    const connection = await openSession('write', { ...this.#options, expected: this.#expected }, signal)
    const giveUp = (): void => connection.destroy()
    signal.addEventListener('abort', giveUp)
    try {
      signal.throwIfAborted()
      await connection.run(async (client) => {
        await checkSchema(client, this.#options.schema)
        await refuseRenamed(client, this.#options.schema)
      })
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  #letGo(connection: Connection | undefined): void {
    if (this.#connection === connection) {
      this.#connection = undefined
      if (!this.#isEnding) this.#to('disconnected')
    }
    connection?.destroy()
  }
}

/** What the writer has lost is said by its first chain. */
function asSecond(writer: SinkOwner): SinkOwner {
  return {
    get serviceName() {
      return writer.serviceName
    },
    get serviceInstanceId() {
      return writer.serviceInstanceId
    },
    lost: 0,
    onBlock: (block) => writer.onBlock(block),
    onLostBlocks: (lost) => writer.onLostBlocks(lost),
  }
}

interface Connected {
  readonly connection: Connection
  readonly blocks: BlockWriter
}
