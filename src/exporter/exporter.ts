import { performance } from '../host/globals.js'
import { errorText } from '../host/error-text.js'
import { contained, diag, guardedCall } from '../host/diagnostics.js'
import { checkChoice, checkMethod } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { checkDuration, within } from '../host/timers.js'
import { AuditError } from '../errors.js'
import { randomMachineId, SnowflakeGenerator } from '../event/snowflake.js'
import type { AuditFields } from '../event/event.js'
import { ownWork } from '../instrument/claim.js'
import { AuditMetrics } from '../otel/metrics.js'
import { DEFAULT_FLUSH_TIMEOUT_MS } from '../otel/processor.js'
import { type EndedSpan, readAuditEvents } from '../otel/read-span.js'
import type {
  AuditPipeline,
  RecordContext,
  RecordPolicy,
  ServiceIdentity,
  TicketRoute,
} from '../contract/pipeline.js'
import type { Ticket } from '../contract/ticket.js'
import type { AuditSink, BatchEntry, SinkFault } from '../contract/sink.js'
import type { Spool } from '../spool/spool.js'
import { boundsOf, type ExporterBounds, type GivenBounds } from './bounds.js'
import { Callers } from './callers.js'
import { giveUp } from './closing.js'
import { Entry, type Fate } from './entry.js'
import { type AuditStats, Fates, type SettledListener, type SpooledListener } from './fates.js'
import type { Writer } from './writer.js'
import { NoSpool, type Overflow } from './overflow.js'
import { AuditQueue } from './queue.js'
import { GapLedger, SelfReport } from './self-report.js'
import { ExporterAsOwner } from './sink-owner.js'
import type { SecondChainMode } from './share.js'
import { Spooler, type SpoolMode } from './spooler.js'
import { Writers } from './writers.js'

/** An option that is undefined has its default. */
export interface DurableAuditExporterOptions extends GivenBounds {
  readonly sink: AuditSink
  readonly identity?: ServiceIdentity | undefined
  /** Identity and policy that may change: read at each record, in place of {@link identity}. */
  readonly context?: RecordContext | undefined
  /** 0…1023. Default: random. */
  readonly machineId?: number | undefined
  /** When a second connection writes beside the first, on a chain of its own, where the sink has one. Default: `under-load`. */
  readonly secondChain?: SecondChainMode | undefined
}

/** `ExportResult` of the SDK: 0 is success, 1 is failure. */
export interface SpanExportResult {
  code: 0 | 1
  error?: Error
}

/**
 * Stores audit events durably: a bounded queue in front of a group commit.
 *
 * It is the pipeline that the helper's tickets go to, and also a valid `SpanExporter`: given to any span processor it
 * stores the `secret.access` events of the spans it gets, those of other code included. An event that came both ways
 * is stored once.
 *
 * A mistake in this library must neither throw into the application nor lose an event in silence: what breaks is
 * logged, the strict caller concerned is refused, and what went astray has its end in {@link close}.
 */
export class DurableAuditExporter implements AuditPipeline {
  readonly ids: SnowflakeGenerator
  readonly tracing = true
  readonly metrics: AuditMetrics
  readonly #context: RecordContext
  readonly #bounds: ExporterBounds
  readonly #sink: AuditSink
  readonly #queue: AuditQueue
  readonly #fates: Fates
  readonly #callers: Callers
  readonly #commits: Writers
  readonly #selfReport: SelfReport
  #overflow: Overflow
  #isStopped = false
  #closed: Promise<void> | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` when a bound or the machine id is not one */
  constructor(given: DurableAuditExporterOptions) {
    const options = givenOptions(given)
    const { sink, identity = {}, context = { identity }, machineId, secondChain = 'under-load' } = options
    checkMethod('sink', sink, 'write')
    checkChoice('secondChain', secondChain, ['under-load', 'always', 'never'])
    this.#bounds = boundsOf(options)
    this.ids = new SnowflakeGenerator(machineId ?? randomMachineId())
    this.#context = context
    this.#sink = sink
    // Those below the group commit reach it through this: it is made last.
    const writer: Writer = {
      fault: () => this.#commits.fault(),
      isWriting: () => this.#commits.isWriting(),
      wake: () => this.#commits.wake(),
    }
    const gaps = new GapLedger()
    this.metrics = new AuditMetrics(() => this.#gauges())
    this.#queue = new AuditQueue(this.#bounds)
    this.#overflow = new NoSpool(this.#queue)
    this.#fates = new Fates(this.#queue, this.metrics, gaps, { stored: (entry) => this.#stored(entry) })
    this.#callers = new Callers(this.#queue, this.#fates, this.metrics, writer, {
      refused: (entry) => {
        if (!entry.isRelease) this.#overflow.keepDenial(entry)
      },
    })
    this.#selfReport = new SelfReport(this.ids, context, gaps, writer, (entry) =>
      this.#accept(entry, 'trace'),
    )
    this.#commits = new Writers({
      sink,
      queue: this.#queue,
      fates: this.#fates,
      callers: this.#callers,
      metrics: this.metrics,
      bounds: this.#bounds,
      observer: {
        committed: () => this.#selfReport.writeGaps(),
        done: () => this.#overflow.refill(),
        quarantine: (entry, reason) => this.#overflow.quarantine(entry, reason),
      },
      secondChain,
    })
    sink.attach?.(new ExporterAsOwner(context, this.metrics, gaps, this.#selfReport))
  }

  /** Whether it has been closed, or is being closed: it takes no records of the application any more. */
  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** Why the sink could not write last; undefined since it stored or refused rows again. */
  get lastFault(): SinkFault | undefined {
    return this.#commits.fault()
  }

  get identity(): ServiceIdentity {
    return this.#context.identity
  }

  /** For services that were not told otherwise. */
  get policy(): RecordPolicy | undefined {
    return this.#context.policy
  }

  get auditLogDraft(): boolean | undefined {
    return this.#context.auditLogDraft
  }

  /**
   * Gives the exporter a spool. It belongs to the exporter from then on, and is closed with it.
   *
   * @param mode default: `overflow`
   * @throws AuditError `AUDIT_INVALID_OPTION` for another mode
   */
  attachSpool(spool: Spool, mode: SpoolMode | undefined = 'overflow'): void {
    checkChoice('mode', mode, ['overflow', 'always'])
    const { batchRows } = this.#bounds
    this.#overflow = new Spooler(spool, mode, this.#queue, this.#fates, this.#commits, batchRows)
  }

  /** Records an event of the trail about itself: not traced, and not the application's. @returns its audit id */
  recordOwn(fields: AuditFields): bigint {
    return this.#selfReport.record(fields)
  }

  /** Calls `listener` with the fate of every event. @returns takes it off again */
  onSettled(listener: SettledListener): () => void {
    return this.#fates.onSettled(listener)
  }

  /** Calls `listener` for every event that is on disk in the spool from now on. @returns takes it off again */
  onSpooled(listener: SpooledListener): () => void {
    return this.#fates.onSpooled(listener)
  }

  stats(): AuditStats {
    return this.#fates.stats()
  }

  /** Takes a sealed ticket. Never throws; a strict ticket is answered within its deadline. */
  submit(ticket: Ticket, route: TicketRoute = 'direct'): void {
    this.#accept(new Entry(ticket), route)
  }

  /**
   * Takes an event whose sender keeps it until it is told that it is stored, and sends it again otherwise. Nobody else is told
   * of one that is not: it is no loss.
   *
   * @param onFate told once. Whatever is not `stored`, is not stored
   */
  takeIn(
    ticket: Ticket,
    onFate: (fate: Fate | 'spooled', reason?: string) => void,
    { alike, setAside }: Pick<BatchEntry, 'alike' | 'setAside'> = {},
  ): void {
    this.#accept(new Entry(ticket, { isHandedIn: true, onFate, alike, setAside }), 'trace')
  }

  /** `SpanExporter`: stores the audit events of these spans, and reports success when all of them are stored. */
  export(spans: readonly EndedSpan[], resultCallback: (result: SpanExportResult) => void): void {
    const tickets = spans.flatMap((span) => readAuditEvents(span, this))
    let open = tickets.length
    let lost = 0
    const report = (): void => {
      if (open > 0) return
      const error = new AuditError('AUDIT_UNAVAILABLE', `${lost} of ${tickets.length} audit events were lost`)
      const result: SpanExportResult = lost === 0 ? { code: 0 } : { code: 1, error }
      guardedCall('the callback of an export', () => resultCallback(result))
    }
    for (const ticket of tickets) {
      const entry = new Entry(ticket, {
        isReplay: true,
        onFate: (fate) => {
          open--
          if (fate !== 'stored' && fate !== 'spooled') lost++
          report()
        },
      })
      this.#accept(entry, 'trace')
    }
    if (tickets.length === 0) report()
  }

  /**
   * Nothing strict is granted from now on, also not to those who wait: each is refused with `AUDIT_SELF_TEST` and that
   * reason, until this is called without one.
   */
  refuseStrict(reason: string | undefined): void {
    this.#callers.refuseAll(reason)
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
    const settled = this.#fates.barrier()
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
   * @throws AuditError `AUDIT_INVALID_OPTION` when that is not a time
   */
  async close(deadlineMs: number): Promise<void> {
    checkDuration('deadlineMs', deadlineMs, 0, Infinity)
    this.#closed ??= this.#close(deadlineMs)
    await this.#closed
  }

  async #close(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.#settleAll())
    this.#isStopped = true
    this.#overflow.stop()
    this.#commits.stop()
    await this.#closeSink()
    await this.#commits.idle()
    await this.#overflow.settled()
    await giveUp({
      queue: this.#queue,
      fates: this.#fates,
      callers: this.#callers,
      metrics: this.metrics,
      selfReport: this.#selfReport,
      overflow: this.#overflow,
    })
    await this.#overflow.close()
  }

  /** A sink that cannot be closed takes nothing from those who wait: each of them has its end all the same. */
  async #closeSink(): Promise<void> {
    try {
      await ownWork(() => this.#sink.close())
    } catch (error) {
      diag.error(`otel-audit: the sink ${this.#sink.sinkId} could not be closed`, error)
    }
  }

  async #settleAll(): Promise<void> {
    for (;;) {
      this.#selfReport.writeGaps()
      if (this.#isStopped || this.#fates.pending === 0) return
      await this.forceFlush()
    }
  }

  /** Never throws. */
  #accept(entry: Entry, route: TicketRoute): void {
    try {
      this.#admit(entry, route)
    } catch (error) {
      this.#wentAstray(entry, error)
    }
  }

  #admit(entry: Entry, route: TicketRoute): void {
    this.metrics.refresh()
    this.#fates.emitted(entry, route)
    if (entry.role.isOwn === true ? this.#isStopped : this.isClosed) {
      this.#callers.turnedAway(entry, 'AUDIT_CLOSED', 'closed', 'the audit pipeline is closed')
    } else if (!this.#queue.reserve(entry)) {
      const held = `the audit queue is full: ${this.#queue.held} events are held already`
      this.#callers.turnedAway(entry, 'AUDIT_QUEUE_FULL', 'queue_full', held)
    } else {
      this.#fates.accepted(entry)
      if (entry.lane === 'strict') this.#callers.watch(entry)
      this.#overflow.arrived(entry)
      if (entry.lane === 'strict') this.#callers.arrived(entry)
      this.#commits.wake()
    }
    this.#selfReport.writeGapsSoon()
  }

  /** A mistake of ours. Its caller is refused, and not told more than is known; the event has its end in `close`. */
  #wentAstray(entry: Entry, cause: unknown): void {
    const message = `the event could not be taken: ${errorText(cause)}`
    diag.error(`otel-audit: audit id ${entry.event.auditId}: ${message}`, cause)
    contained('refusing its caller', () => {
      if (this.#fates.isPending(entry)) this.#callers.refuse(entry, { code: 'AUDIT_TIMEOUT', message, cause })
      else if (!entry.isOver) this.#callers.turnedAway(entry, 'AUDIT_TIMEOUT', 'rejected', message)
    })
  }

  #stored(entry: Entry): void {
    this.#overflow.forget(entry)
    if (entry.callerRefused && entry.isRelease) this.#selfReport.withhold(entry.event)
  }

  #gauges() {
    const { oldest, pending } = this.#fates
    const { entries, bytes } = this.#overflow.status
    return {
      queueDepth: pending,
      oldestPendingAge: oldest === undefined ? 0 : (performance.now() - oldest.acceptedAt) / 1000,
      spoolDepth: entries,
      spoolBytes: bytes,
    }
  }
}
