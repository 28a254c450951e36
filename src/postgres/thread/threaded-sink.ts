import { clearTimeout, setImmediate, setTimeout } from '../../host/globals.js'
import type {
  AuditBatch,
  AuditSink,
  ChainPlace,
  HealthFinding,
  SinkOwner,
  WriteResult,
} from '../../contract/sink.js'
import { AuditError } from '../../errors.js'
import { diag, guardedCall } from '../../host/diagnostics.js'
import { moved, type Moves } from '../../host/invariant.js'
import type { DatabaseUrl } from '../database-url.js'
import { connectionFault } from '../faults.js'
import { DEFAULT_ANSWER_TIMEOUT_MS, PostgresAuditSink, type PostgresAuditSinkOptions } from '../write/sink.js'
import {
  type OwnerState,
  packBatch,
  packedOutcome,
  type PackedBlock,
  type ThreadOptions,
  unpackOutcome,
  unpackResult,
} from './protocol.js'
import { ThreadEnded, type ThreadListener, WriterThread } from './writer-thread.js'

/**
 * How long a write may take, in time-outs of one answer. Far more than the answers that one can need: connecting, the checks
 * of the store, and the look-ups of a conflict. A thread that takes longer hangs.
 */
const LONGEST_WRITE_ANSWERS = 60

/** How long the thread may take to close, in ms: the last block has 2 s. */
const LONGEST_CLOSE_MS = 10_000

type State = 'open' | 'closing' | 'closed'

const MOVES: Moves<State> = { open: ['closing'], closing: ['closed'], closed: [] }

/**
 * A {@link PostgresAuditSink} in a thread of its own: encoding, signing and the connection take none of the time of the
 * process's own thread, and a batch that was sent is committed while that is blocked.
 *
 * The thread is started at the first use. When it ends by itself, the batch that it had is of unknown fate, and its chain is
 * left: the next write starts another thread, whose chain continues that one, and which looks up what is stored of a batch
 * that is sent again. Private keys are in the thread's memory; the enrolment key is sent there in a message.
 */
export class ThreadedSink implements AuditSink {
  readonly sinkId = 'db'
  readonly #options: ThreadOptions
  readonly #databaseUrl: DatabaseUrl
  readonly #longestWriteMs: number
  #owner: SinkOwner | undefined
  #thread: WriterThread | undefined
  #state: State = 'open'
  #closed: Promise<void> | undefined
  /** What is being written: the rows of the next data block. */
  #batch: AuditBatch | undefined
  /** The last block that is known to be stored, of threads that have ended too. */
  #known: ChainPlace | undefined
  /** That, of the thread before this one. */
  #continues: ChainPlace | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(options: PostgresAuditSinkOptions) {
    // It connects nowhere, and says what is wrong with the options.
    void new PostgresAuditSink(options)
    const { databaseUrl, schema, synchronousCommit, answerTimeoutMs, applicationName, origin } = options
    const { enrolmentKey, enrolmentKeyFile, trail, idleAfterMs, allowInStore } = options
    this.#databaseUrl = databaseUrl
    this.#longestWriteMs = LONGEST_WRITE_ANSWERS * (answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS)
    this.#options = {
      databaseUrl: typeof databaseUrl === 'string' ? databaseUrl : undefined,
      schema,
      synchronousCommit,
      answerTimeoutMs,
      applicationName,
      origin,
      enrolmentKey,
      enrolmentKeyFile,
      trail,
      idleAfterMs,
      allowInStore,
    }
  }

  attach(owner: SinkOwner): void {
    this.#owner = owner
  }

  async write(batch: AuditBatch): Promise<WriteResult> {
    let thread: WriterThread
    try {
      thread = this.#running()
    } catch (error) {
      return { status: 'failed', lasting: true, fault: connectionFault(error) }
    }
    this.#batch = batch
    const watch = this.#watch(thread)
    try {
      const answer = await thread.ask({ what: 'write', owner: this.#ownerState, batch: packBatch(batch) })
      if (answer.what !== 'written') throw new ThreadEnded(`it answered ${answer.what} to a write`, true)
      return unpackResult(answer.result)
    } catch (error) {
      return lostWrite(error)
    } finally {
      clearTimeout(watch)
      this.#batch = undefined
    }
  }

  /** @throws AuditError as the sink in the thread does; `AUDIT_PACKAGE`, `AUDIT_WRITER_THREAD` when there is no thread */
  async check(): Promise<readonly HealthFinding[]> {
    const answer = await this.#running()
      .ask({ what: 'check', owner: this.#ownerState })
      .catch((error: unknown) => {
        throw error instanceof ThreadEnded ? endedBy(error) : error
      })
    if (answer.what !== 'checked') throw endedBy(new ThreadEnded(`it answered ${answer.what}`, true))
    return unpackOutcome(answer.findings)
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    this.#to('closing')
    const thread = this.#thread
    const giveUp = setTimeout(() => void thread?.end('it does not close'), LONGEST_CLOSE_MS)
    try {
      await thread?.ask({ what: 'close', owner: this.#ownerState })
      await thread?.end('it is closed')
    } catch (error) {
      if (!(error instanceof ThreadEnded)) throw error
    } finally {
      clearTimeout(giveUp)
      this.#to('closed')
    }
  }

  #to(next: State): void {
    this.#state = moved('a sink with a thread', MOVES, this.#state, next)
  }

  /** @throws AuditError */
  #running(): WriterThread {
    if (this.#state !== 'open') throw new AuditError('AUDIT_CLOSED', 'the sink is closed')
    if (this.#thread !== undefined) return this.#thread
    const listener = this.#listenerOf(() => thread)
    const thread = new WriterThread(listener)
    thread.tell({ what: 'open', options: this.#options })
    this.#continues = this.#known
    this.#thread = thread
    return thread
  }

  #listenerOf(thread: () => WriterThread): ThreadListener {
    return {
      onMessage: (message) => {
        switch (message.what) {
          case 'url':
            return void this.#tellUrl(thread(), message.id)
          case 'block':
            return this.#onBlock(message.block)
          case 'lost-blocks':
            return guardedCall('the listener of lost blocks', () => this.#owner?.onLostBlocks(message.lost))
          case 'log':
            return diag[message.level](message.message, ...message.details)
        }
      },
      onEnd: (why) => {
        this.#thread = undefined
        if (this.#state !== 'open') return
        diag.error(
          `otel-audit: the writer thread has ended: ${why}; its chain is left, and the next write starts another thread`,
        )
      },
    }
  }

  /** A function of the application: what it throws is told as it would be here. */
  async #tellUrl(thread: WriterThread, id: number): Promise<void> {
    const databaseUrl = this.#databaseUrl
    const url = await packedOutcome(() => (typeof databaseUrl === 'string' ? databaseUrl : databaseUrl()))
    thread.tell({ what: 'url', id, url })
  }

  #onBlock(block: PackedBlock): void {
    this.#known = { chain: block.chain, block: block.block }
    const entries = block.kind === 'data' ? (this.#batch?.entries ?? []) : []
    guardedCall('the listener of committed blocks', () =>
      this.#owner?.onBlock({ ...block, hash: Buffer.from(block.hash), entries }),
    )
  }

  get #ownerState(): OwnerState {
    const { serviceName, serviceInstanceId, lost = 0 } = this.#owner ?? {}
    return { serviceName, serviceInstanceId, lost, continues: this.#continues }
  }

  #watch(thread: WriterThread): NodeJS.Timeout {
    return setTimeout(() => {
      // The process may have been stopped for that long: what the thread has said meanwhile is heard first.
      setImmediate(() => {
        if (this.#batch === undefined || this.#thread !== thread) return
        this.#thread = undefined
        diag.error(
          `otel-audit: the writer thread has not answered for ${this.#longestWriteMs} ms, and is ended`,
        )
        void thread.end('it did not answer')
      })
    }, this.#longestWriteMs).unref()
  }
}

/** What it had not begun with, nobody has sent. */
function lostWrite(error: unknown): WriteResult {
  if (!(error instanceof ThreadEnded)) throw error
  if (!error.hasBegun) return { status: 'failed', lasting: false, fault: connectionFault(endedBy(error)) }
  const message = `the writer thread has ended with a batch: ${error.message}`
  return { status: 'unknown', fault: { code: 'AUDIT_TIMEOUT', message } }
}

function endedBy({ message }: ThreadEnded): AuditError {
  return new AuditError('AUDIT_WRITER_THREAD', `the writer thread has ended: ${message}`)
}
