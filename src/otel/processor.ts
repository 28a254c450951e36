import type { Context } from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import { checkMethod } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { checkDuration, within } from '../host/timers.js'
import { ticketOf } from './audit-span.js'
import type { AuditPipeline } from '../contract/pipeline.js'
import type { AuditMetrics } from './metrics.js'
import { type EndedSpan, readAuditEvents } from './read-span.js'

/** How long a flush asked for by the SDK may take by default, in ms. */
export const DEFAULT_FLUSH_TIMEOUT_MS = 5000

/** What the processor needs of the pipeline it claims for. `DurableAuditExporter` is one. */
export interface SpanPipeline extends AuditPipeline {
  readonly metrics: AuditMetrics
  /** A closed pipeline claims nothing: there may be another one. */
  readonly isClosed: boolean
  forceFlush(): Promise<void>
}

export interface AuditSpanProcessorOptions {
  /** How long `forceFlush` and `shutdown` may take, in ms; `Infinity`: as long as it takes. Default 5,000. */
  readonly flushTimeoutMs?: number | undefined
}

/**
 * A `SpanProcessor` of either SDK line. At a span's start it claims the ticket in its Context for its pipeline; at its
 * end it picks up `secret.access` events that other code put on it. It never throws: an exception would escape
 * from the application's `startSpan` or `end`, and skip the processors behind it.
 */
export class AuditSpanProcessor {
  readonly #pipeline: SpanPipeline
  readonly #flushTimeoutMs: number
  #stopped = false
  #hasSeenSpan = false

  constructor(pipeline: SpanPipeline, options: AuditSpanProcessorOptions = {}) {
    checkMethod('pipeline', pipeline, 'submit')
    this.#pipeline = pipeline
    const { flushTimeoutMs = DEFAULT_FLUSH_TIMEOUT_MS } = givenOptions(options)
    checkDuration('flushTimeoutMs', flushTimeoutMs, 0, Infinity)
    this.#flushTimeoutMs = flushTimeoutMs
  }

  /** Whether a tracer has it, as far as can be known: one that was given a span has. */
  get hasSeenSpan(): boolean {
    return this.#hasSeenSpan
  }

  onStart(_span: unknown, parentContext: Context): void {
    this.#hasSeenSpan = true
    try {
      if (this.#isActive) ticketOf(parentContext)?.claim(this.#pipeline)
    } catch (error) {
      diag.error('otel-audit: a ticket could not be claimed; its event takes the direct path', error)
    }
  }

  onEnd(span: EndedSpan): void {
    try {
      if (!this.#isActive) return
      for (const ticket of readAuditEvents(span, this.#pipeline)) this.#pipeline.submit(ticket, 'trace')
    } catch (error) {
      diag.error('otel-audit: an ended span could not be read', error)
    }
  }

  /** Resolves when all events accepted so far have their fate, or the time is up. */
  async forceFlush(): Promise<void> {
    await within(this.#flushTimeoutMs, this.#pipeline.forceFlush())
  }

  /**
   * Stops claiming, and flushes. The pipeline lives on: what is recorded after the SDK's end takes the direct path,
   * until the pipeline itself is closed.
   */
  shutdown(): Promise<void> {
    this.#stopped = true
    return this.forceFlush()
  }

  get #isActive(): boolean {
    return !this.#stopped && !this.#pipeline.isClosed
  }
}
