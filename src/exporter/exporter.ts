import { AuditError } from '../errors.js'
import { randomMachineId, SnowflakeGenerator } from '../event/snowflake.js'
import { isSanitized } from '../event/event.js'
import { AuditMetrics } from '../otel/metrics.js'
import { type EndedSpan, readAuditEvents } from '../otel/read-span.js'
import type { AuditPipeline, ServiceIdentity, TicketRoute } from '../service/pipeline.js'
import type { Ticket } from '../service/ticket.js'
import type { AuditSink } from '../sink/sink.js'
import { Entry, type Fate } from './entry.js'
import { GroupCommit, type GroupCommitBounds } from './group-commit.js'
import { AuditQueue, type QueueBounds } from './queue.js'
import { type SettledListener, Settlement } from './settlement.js'

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

/** `ExportResult` of the SDK: 0 is success, 1 is failure. */
export interface SpanExportResult {
  code: 0 | 1
  error?: Error
}

/** How many events are where. `emitted = written + lost + pending` at every moment. */
export interface AuditStats {
  readonly emitted: number
  readonly written: number
  readonly droppedAsync: number
  readonly failedStrict: number
  /** Waiting or in flight. */
  readonly pending: number
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
  readonly #sink: AuditSink
  readonly #queue: AuditQueue
  readonly #settlement: Settlement
  readonly #commits: GroupCommit
  #identity: ServiceIdentity
  #closed: Promise<void> | undefined

  constructor(options: DurableAuditExporterOptions) {
    const bounds = { ...EXPORTER_DEFAULTS, ...options }
    this.ids = new SnowflakeGenerator(options.machineId ?? randomMachineId())
    this.#identity = options.identity ?? {}
    this.#sink = options.sink
    this.#queue = new AuditQueue(bounds)
    this.#settlement = new Settlement(this.#queue, this.metrics)
    this.#commits = new GroupCommit(this.#sink, this.#queue, this.#settlement, this.metrics, bounds)
    const settlement = this.#settlement
    this.metrics.watch({
      get queueDepth() {
        return settlement.pending
      },
      get oldestPendingAge() {
        const { oldest } = settlement
        return oldest === undefined ? 0 : (performance.now() - oldest.acceptedAt) / 1000
      },
    })
  }

  get identity(): ServiceIdentity {
    return this.#identity
  }

  /** Before the first record. */
  identify(identity: ServiceIdentity): void {
    this.#identity = identity
  }

  /** Calls `listener` with the fate of every event. @returns takes it off again */
  onSettled(listener: SettledListener): () => void {
    return this.#settlement.onSettled(listener)
  }

  stats(): AuditStats {
    return {
      emitted: this.metrics.total('records.emitted'),
      written: this.metrics.writes('written'),
      droppedAsync: this.metrics.writes('dropped_async'),
      failedStrict: this.metrics.writes('failed_strict'),
      pending: this.#settlement.pending,
    }
  }

  /** Takes a sealed ticket. Never throws; a strict ticket is answered within its deadline. */
  submit(ticket: Ticket, route: TicketRoute = 'direct'): void {
    this.#accept(new Entry(ticket), route)
  }

  /** `SpanExporter`: stores the audit events of these spans, and reports success when all of them are stored. */
  export(spans: readonly EndedSpan[], resultCallback: (result: SpanExportResult) => void): void {
    const tickets = spans.flatMap((span) => readAuditEvents(span, this))
    let open = tickets.length
    let lost = 0
    const report = (): void => {
      if (open > 0) return
      const error = new AuditError('AUDIT_UNAVAILABLE', `${lost} of ${tickets.length} audit events were lost`)
      resultCallback(lost === 0 ? { code: 0 } : { code: 1, error })
    }
    for (const ticket of tickets) {
      const entry = new Entry(ticket)
      entry.onFate = (fate: Fate) => {
        open--
        if (fate !== 'stored') lost++
        report()
      }
      this.#accept(entry, 'trace')
    }
    if (tickets.length === 0) report()
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

  /** Resolves when every event accepted so far is stored, refused or dropped. Waits as long as that takes. */
  async forceFlush(): Promise<void> {
    const settled = this.#settlement.barrier()
    this.#commits.hurry()
    await settled
    this.#commits.relax()
  }

  /** `SpanExporter`: {@link close} with a deadline of 5 s. */
  shutdown(): Promise<void> {
    return this.close(5000)
  }

  /**
   * Stores what waits, then closes the sink. What is not stored by the deadline is given up: strict callers are
   * refused, async events are counted in `shutdown.abandoned`. Idempotent.
   *
   * @param deadlineMs how long storing may take
   */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs)
    return this.#closed
  }

  async #close(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.forceFlush())
    this.#commits.stop()
    await this.#sink.close()
    await this.#commits.idle()
    for (const entry of this.#queue.drain()) {
      this.#settlement.deny(entry, { code: 'AUDIT_CLOSED', message: 'closed before it could be written' })
      this.metrics.count('shutdown.abandoned')
      this.#settlement.dropped(entry, 'closed before it could be written')
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

    if (this.#closed !== undefined) {
      this.#settlement.turnedAway(entry, 'AUDIT_CLOSED', 'the audit pipeline is closed')
    } else if (!this.#queue.accept(entry)) {
      const held = `${this.#queue.held} events are held already`
      this.#settlement.turnedAway(entry, 'AUDIT_QUEUE_FULL', `the audit queue is full: ${held}`)
    } else {
      this.#settlement.accepted(entry)
      if (entry.lane === 'strict') {
        entry.deadline = setTimeout(() => this.#expire(entry), ticket.deadlineMs)
      }
      this.#commits.wake()
    }
  }

  /** The deadline of a strict event has passed. */
  #expire(entry: Entry): void {
    const waited = `within ${entry.ticket.deadlineMs} ms`
    if (entry.phase === 'sent') {
      const message = `the database did not answer ${waited}`
      this.#settlement.deny(entry, { code: 'AUDIT_TIMEOUT', message, cause: this.#commits.lastFault?.cause })
      return
    }
    const fault = this.#commits.lastFault
    const message = `not written ${waited}${fault === undefined ? '' : `: ${fault.message}`}`
    this.#settlement.deny(entry, { code: 'AUDIT_UNAVAILABLE', message, cause: fault?.cause })
    if (entry.event.outcome === 'ok') {
      this.#queue.remove(entry)
      this.#settlement.dropped(entry, 'its strict caller was refused, and it is not stored')
    } else {
      // A denial must not vanish.
      this.#queue.demote(entry)
      this.#commits.wake()
    }
  }
}

/** Waits for `work`, but no longer than that. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, deadline])
  clearTimeout(timer)
}
