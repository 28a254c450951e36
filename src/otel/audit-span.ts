import {
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { diag } from '../host/diagnostics.js'
import type { AuditError } from '../errors.js'
import {
  auditSpanName,
  BLOCK_ATTRIBUTES,
  placeText,
  RECORD_ID_ATTRIBUTE,
  SPAN_EVENT_NAME,
  spanEventTime,
  toAuditLogDraft,
  toSpanEvent,
} from './span-event.js'
import { identityOfSpan } from './span-identity.js'
import { VERSION } from '../version.js'
import type { RowPlace } from '../contract/receipt.js'
import type { Claimable, Ticket } from '../contract/ticket.js'

// `createContextKey` is `Symbol.for`: two copies of this package in one process share the key.
const TICKET = createContextKey('otel-audit ticket v1')

/** The ticket that travels in a Context, if any. */
export function ticketOf(ctx: Context): Claimable | undefined {
  return ctx.getValue(TICKET) as Claimable | undefined
}

export function withTicket(ctx: Context, ticket: Claimable): Context {
  return new TicketContext(ctx, ticket)
}

/** `ctx.setValue(TICKET, ticket)` without the copy of all values that it makes: 0.4 µs of a `recordAsync` of 8 (2026-11-24). */
class TicketContext implements Context {
  readonly #parent: Context
  readonly #ticket: Claimable

  constructor(parent: Context, ticket: Claimable) {
    this.#parent = parent
    this.#ticket = ticket
  }

  getValue(key: symbol): unknown {
    return key === TICKET ? this.#ticket : this.#parent.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#parent.setValue(TICKET, this.#ticket).setValue(key, value)
  }

  deleteValue(key: symbol): Context {
    return this.#parent.setValue(TICKET, this.#ticket).deleteValue(key)
  }
}

// Shared by all copies of this package in the process: a bundled application brings its own beside a preloaded one.
const TAKEN = Symbol.for('otel-audit.taken.v1')
const TAKEN_SPANS = Symbol.for('otel-audit.taken-spans.v1')

/**
 * Takes the events of a span for a pipeline. The SDK gives all processors and exporters the very object that
 * `startSpan` returned, so an event that several of them see is stored, and counted, once.
 *
 * @returns false when they were taken before
 */
export function takeEvents(span: object): boolean {
  // What another vendor's tracer calls a span need not be one.
  if (Object(span) !== span) return true
  const marked: { [TAKEN]?: true } = span
  try {
    if (marked[TAKEN] !== undefined) return false
    // On the object itself. With a set of all spans `recordAsync` took 1.97 times as long as the plain span, so 1.85
    // times (`npm run bench -- --only async`, 2026-11-26).
    marked[TAKEN] = true
    return true
  } catch {
    return takenBySet(span)
  }
}

/** For objects that cannot be marked: frozen ones, and what some proxies stand for. */
function takenBySet(span: object): boolean {
  const holder = globalThis as { [TAKEN_SPANS]?: WeakSet<object> }
  const taken = (holder[TAKEN_SPANS] ??= new WeakSet())
  if (taken.has(span)) return false
  taken.add(span)
  return true
}

/**
 * The span of one audit event. Every call into OpenTelemetry is guarded here: a processor or exporter of the
 * application's that throws (it does escape from `startSpan` and `end`) changes nothing about the record.
 */
export class AuditSpan {
  readonly #span: Span | undefined
  /** Of the audit span when it is real, else of the active span; undefined when there is neither. */
  readonly spanContext: SpanContext | undefined

  private constructor(span: Span | undefined, spanContext: SpanContext | undefined) {
    this.#span = span
    this.spanContext = spanContext
  }

  /** Starts the span with the ticket in its Context, where the sampler and the processor find it. */
  static start(ticket: Ticket, operation: string, auditId: bigint): AuditSpan {
    let parent: Context | undefined
    let span: Span | undefined
    try {
      parent = context.active()
      span = currentTracer().startSpan(
        auditSpanName(operation),
        { kind: SpanKind.INTERNAL, attributes: { [RECORD_ID_ATTRIBUTE]: String(auditId) } },
        withTicket(parent, ticket),
      )
    } catch (error) {
      warn('start', error)
    }
    return new AuditSpan(span, validContext(span) ?? validContext(parent && trace.getSpan(parent)))
  }

  /** No span at all: nothing is traced. */
  static none(): AuditSpan {
    return new AuditSpan(undefined, undefined)
  }

  /** The ticket goes to a pipeline: a processor that reads the span must not take its event a second time. */
  markSubmitted(): void {
    if (this.#span !== undefined) takeEvents(this.#span)
  }

  /**
   * Adds the event of a sealed ticket.
   *
   * @param hasDraft also in the terms of the audit-log draft
   */
  addEvent({ event }: Ticket, hasDraft = false): void {
    this.#guarded('addEvent', (span) => {
      if (!span.isRecording()) return
      const attributes = toSpanEvent(event, identityOfSpan(span))
      if (hasDraft) Object.assign(attributes, toAuditLogDraft(event))
      span.addEvent(SPAN_EVENT_NAME, attributes, spanEventTime(event))
    })
  }

  /** @param answer of a strict record */
  end(answer?: StrictAnswer): void {
    this.#guarded('end', (span) => {
      if (answer !== undefined && span.isRecording()) {
        const { error, digest, place } = answer
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error.code })
        span.setAttribute(BLOCK_ATTRIBUTES.digest, digest.toString('hex'))
        if (place !== undefined) span.setAttribute(BLOCK_ATTRIBUTES.place, placeText(place))
      }
      span.end()
    })
  }

  #guarded(what: string, call: (span: Span) => void): void {
    if (this.#span === undefined) return
    try {
      call(this.#span)
    } catch (error) {
      warn(what, error)
    }
  }
}

/** What became of a strict record: why it failed, or where its row is. */
interface StrictAnswer {
  readonly error: AuditError | undefined
  /** SHA-256 of the event, so that the trace can be held against the row. */
  readonly digest: Buffer
  readonly place: RowPlace | undefined
}

let tracerCache: { readonly provider: TracerProvider; readonly tracer: Tracer } | undefined

/** The tracer of the provider that is registered now. Asking the provider each time took 0.4 µs of a `recordAsync` of 8 (2026-11-24). */
function currentTracer(): Tracer {
  const registered: TracerProvider & { getDelegate?(): TracerProvider } = trace.getTracerProvider()
  const provider = registered.getDelegate?.() ?? registered
  if (tracerCache?.provider !== provider) {
    tracerCache = { provider, tracer: registered.getTracer('otel-audit', VERSION) }
  }
  return tracerCache.tracer
}

function validContext(span: Span | undefined): SpanContext | undefined {
  try {
    const spanContext = span?.spanContext()
    return spanContext && isSpanContextValid(spanContext) ? spanContext : undefined
  } catch (error) {
    warn('spanContext', error)
    return undefined
  }
}

function warn(what: string, error: unknown): void {
  diag.warn(`otel-audit: the tracer threw in ${what}; the record is not affected`, error)
}
