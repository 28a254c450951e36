import { diag } from '../host/diagnostics.js'
import { checkDuration, within } from '../host/timers.js'
import { randomMachineId, SnowflakeGenerator } from '../event/snowflake.js'
import { type AuditFields, isSanitized } from '../event/event.js'
import { Outcome } from '../event/vocabulary.js'
import { AuditMetrics } from '../otel/metrics.js'
import { DEFAULT_FLUSH_TIMEOUT_MS } from '../otel/processor.js'
import { type EndedSpan, readAuditEvents } from '../otel/read-span.js'
import type { AuditPipeline, RecordPolicy, ServiceIdentity, TicketRoute } from '../contract/pipeline.js'
import type { Ticket } from '../contract/ticket.js'
import type { AuditSink, SinkFault } from '../contract/sink.js'
import { Deadlines } from './deadlines.js'
import { Denials } from './denials.js'
import { Entry } from './entry.js'
import { GroupCommit, type GroupCommitBounds } from './group-commit.js'
import { GapLedger } from './gap.js'
import { giveUp } from './closing.js'
import { OwnRows, type OwnRowsHost } from './own-rows.js'
import { AuditQueue, type QueueBounds } from './queue.js'
import { type SettledListener, Settlement, type SpooledListener } from './settlement.js'
import { exportTickets, type SpanExportResult } from './span-export.js'
import type { Spool } from '../spool/spool.js'
import { Spooler, type SpoolMode } from './spooler.js'
import { type AuditStats, statsOf } from './stats.js'
import { StoreListener } from './sink-owner.js'

/** Defaults of the exporter's bounds. */
export const EXPORTER_DEFAULTS: Readonly<GroupCommitBounds & QueueBounds> = Object.freeze({
  batchRows: 512,
  batchBytes: 1024 * 1024,
  lingerMs: 50,
  queueRows: 16_384,
  queueBytes: 16 * 1024 * 1024,
})

export interface DurableAuditExporterOptions extends Partial<GroupCommitBounds & QueueBounds> {
  readonly sink: AuditSink
  readonly identity?: ServiceIdentity | undefined
  /** 0…1023. Default: random. */
  readonly machineId?: number | undefined
}

/**
 * Stores audit events durably: a bounded queue in front of a group commit.
 *
 * It is the pipeline that the helper's tickets go to, and also a valid `SpanExporter`: given to any span processor it
 * stores the `secret.access` events of the spans it gets, those of other code included. An event that came both ways
 * is stored once.
 */
export class DurableAuditExporter implements AuditPipeline {
  readonly ids: SnowflakeGenerator
  readonly tracing = true
  readonly metrics = new AuditMetrics()
  /** For services that were not told otherwise. */
  policy: RecordPolicy | undefined
  readonly #sink: AuditSink
  readonly #queue: AuditQueue
  readonly #settlement: Settlement
  readonly #commits: GroupCommit
  readonly #bounds: GroupCommitBounds & QueueBounds
  readonly #ownRows: OwnRows
  readonly #denials: Denials
  readonly #deadlines = new Deadlines((entry) => this.#denials.expire(entry))
  #spooler: Spooler | undefined
  #identity: ServiceIdentity
  #tendTimer: NodeJS.Timeout | undefined
  #stopped = false
  #closed: Promise<void> | undefined

  constructor(options: DurableAuditExporterOptions) {
    const bounds = { ...EXPORTER_DEFAULTS, ...options }
    checkDuration('lingerMs', bounds.lingerMs)
    this.ids = new SnowflakeGenerator(options.machineId ?? randomMachineId())
    this.#identity = options.identity ?? {}
    this.#sink = options.sink
    this.#queue = new AuditQueue(bounds)
    this.#bounds = bounds
    const gaps = new GapLedger()
    this.#settlement = new Settlement(this.#queue, this.metrics, gaps)
    this.#commits = new GroupCommit(this.#sink, this.#queue, this.#settlement, this.metrics, bounds)
    this.#denials = new Denials(this.#queue, this.#settlement, this.#commits)
    this.#ownRows = new OwnRows(this.#ownRowsHost(), gaps)
    const identity = (): ServiceIdentity => this.#identity
    this.#sink.attach?.(new StoreListener(identity, this.metrics, gaps, this.#ownRows))
    this.#settlement.onStored = (entry) => this.#stored(entry)
    this.#settlement.onDenied = (entry) => {
      // At the end everything that waits is kept, denials or not.
      if (!this.#stopped && entry.event.outcome !== Outcome.Ok) this.#spooler?.keepDenial(entry)
    }
    this.#commits.onProgress = () => this.#ownRows.writeGaps()
    this.#commits.onDone = () => this.#spooler?.refill()
    this.metrics.watch(() => {
      const { oldest, pending } = this.#settlement
      return {
        queueDepth: pending,
        oldestPendingAge: oldest === undefined ? 0 : (performance.now() - oldest.acceptedAt) / 1000,
        spoolDepth: this.#spooler?.status.entries ?? 0,
        spoolBytes: this.#spooler?.status.bytes ?? 0,
      }
    })
  }

  /** Whether it has been closed, or is being closed: it takes no records of the application any more. */
  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** Why the sink could not write last; undefined since it stored or refused rows again. */
  get lastFault(): SinkFault | undefined {
    return this.#commits.lastFault
  }

  get identity(): ServiceIdentity {
    return this.#identity
  }

  /** Before the first record. */
  identify(identity: ServiceIdentity): void {
    this.#identity = identity
  }

  /** Gives the exporter a spool. It belongs to the exporter from then on, and is closed with it. */
  attachSpool(spool: Spool, mode: SpoolMode): void {
    const commits = this.#commits
    const spooler = new Spooler(spool, mode, this.#queue, this.#settlement, {
      batchRows: this.#bounds.batchRows,
      get isAway() {
        return commits.lastFault !== undefined
      },
      wake: () => commits.wake(),
    })
    this.#spooler = spooler
    this.#commits.quarantine = (entry, reason) => spooler.quarantine(entry, reason)
    spooler.refill()
    this.#tendTimer = setInterval(() => spooler.tend(), TEND_EVERY_MS).unref()
  }

  /** Records an event of the trail about itself: not traced, and not the application's. @returns its audit id */
  recordOwn(fields: AuditFields): bigint {
    return this.#ownRows.record(fields)
  }

  /** Calls `listener` with the fate of every event. @returns takes it off again */
  onSettled(listener: SettledListener): () => void {
    return this.#settlement.onSettled(listener)
  }

  /** Calls `listener` for every event that is on disk in the spool from now on. @returns takes it off again */
  onSpooled(listener: SpooledListener): () => void {
    return this.#settlement.onSpooled(listener)
  }

  stats(): AuditStats {
    return statsOf(this.metrics, this.#settlement.pending)
  }

  /** Takes a sealed ticket. Never throws; a strict ticket is answered within its deadline. */
  submit(ticket: Ticket, route: TicketRoute = 'direct'): void {
    this.#accept(new Entry(ticket), route)
  }

  /** `SpanExporter`: stores the audit events of these spans, and reports success when all of them are stored. */
  export(spans: readonly EndedSpan[], resultCallback: (result: SpanExportResult) => void): void {
    const tickets = spans.flatMap((span) => readAuditEvents(span, this))
    exportTickets(tickets, (entry) => this.#accept(entry, 'trace'), resultCallback)
  }

  /**
   * Nothing strict is granted from now on, also not to those who wait: each is refused with `AUDIT_SELF_TEST` and that
   * reason, until this is called without one.
   */
  refuseStrict(reason: string | undefined): void {
    this.#denials.refuseAll(reason)
  }

  /** Sends nothing until `work` has ended. Events wait, and strict deadlines run. */
  async holdUntil<T>(work: Promise<T>): Promise<T> {
    this.#commits.hold()
    try {
      return await work
    } finally {
      this.#commits.release()
    }
  }

  /**
   * Resolves when every event accepted so far is stored, refused, dropped, or on disk in the spool only. Waits as long
   * as that takes.
   */
  async forceFlush(): Promise<void> {
    const settled = this.#settlement.barrier()
    this.#commits.hurry()
    await settled
    this.#commits.relax()
  }

  /** `SpanExporter`: {@link close} with a deadline of 5 s, as a flush asked for by the SDK has. */
  shutdown(): Promise<void> {
    return this.close(DEFAULT_FLUSH_TIMEOUT_MS)
  }

  /**
   * Stores what waits, then closes the sink. What is not stored by the deadline is given up: strict callers are
   * refused, async events are counted in `shutdown.abandoned`. Idempotent.
   *
   * @param deadlineMs how long storing may take; `Infinity`: as long as it takes
   * @throws AuditError `AUDIT_INVALID_OPTION` when that is no time
   */
  async close(deadlineMs: number): Promise<void> {
    checkDuration('deadlineMs', deadlineMs, 0, Infinity)
    this.#closed ??= this.#close(deadlineMs)
    await this.#closed
  }

  async #close(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.#settleAll())
    this.#stopped = true
    clearInterval(this.#tendTimer)
    this.#commits.stop()
    await this.#closeSink()
    await this.#commits.idle()
    await this.#spooler?.settled()
    const left = this.#queue.drain()
    await giveUp(left, {
      settlement: this.#settlement,
      metrics: this.metrics,
      ownRows: this.#ownRows,
      spooler: this.#spooler,
    })
    await this.#spooler?.close()
  }

  /** A sink that cannot be closed takes nothing from those who wait: each of them has its end all the same. */
  async #closeSink(): Promise<void> {
    try {
      await this.#sink.close()
    } catch (error) {
      diag.error(`otel-audit: the sink ${this.#sink.sinkId} could not be closed`, error)
    }
  }

  async #settleAll(): Promise<void> {
    for (;;) {
      this.#ownRows.writeGaps()
      if (this.#stopped || this.#settlement.pending === 0) return
      await this.forceFlush()
    }
  }

  #accept(entry: Entry, route: TicketRoute): void {
    const { metrics } = this
    const { ticket } = entry
    metrics.refresh()
    metrics.count('records.emitted')
    if (route === 'direct') metrics.count('records.direct')
    if (ticket.redacted > 0) metrics.count('records.redacted', ticket.redacted)
    if (isSanitized(ticket.event)) metrics.count('records.sanitized')

    if (entry.isOwn ? this.#stopped : this.#closed !== undefined) {
      this.#settlement.turnedAway(entry, 'AUDIT_CLOSED', 'the audit pipeline is closed')
    } else if (!this.#queue.reserve(entry)) {
      const held = `${this.#queue.held} events are held already`
      this.#settlement.turnedAway(entry, 'AUDIT_QUEUE_FULL', `the audit queue is full: ${held}`)
    } else {
      this.#settlement.accepted(entry)
      if (entry.lane === 'strict') this.#deadlines.watch(entry)
      if (this.#spooler === undefined) this.#queue.enqueue(entry)
      else this.#spooler.arrived(entry)
      if (entry.lane === 'strict') this.#denials.arrived(entry)
      this.#commits.wake()
    }
    this.#ownRows.writeGapsSoon()
  }

  #ownRowsHost(): OwnRowsHost {
    const isWriting = (): boolean => !this.#stopped && this.#commits.lastFault === undefined
    const identity = (): ServiceIdentity => this.#identity
    return {
      ids: this.ids,
      get identity() {
        return identity()
      },
      get isWriting() {
        return isWriting()
      },
      accept: (entry) => this.#accept(entry, 'trace'),
    }
  }

  #stored(entry: Entry): void {
    this.#spooler?.forget(entry)
    if (entry.callerRefused && entry.event.outcome === Outcome.Ok) this.#ownRows.withhold(entry.event)
  }
}

/** How often it is looked whether events lie in the spool, or wait in memory, that no event of ours moves on, in ms. */
const TEND_EVERY_MS = 5000
