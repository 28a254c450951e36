import { wallClock } from '../host/globals.js'
import type { Attributes, HrTime, SpanContext } from '@opentelemetry/api'
import { errorText } from '../host/error-text.js'
import { diag } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'
import { completeEvent, draftEvent } from '../event/event.js'
import { eventTime } from '../event/time.js'
import { takeEvents } from './audit-span.js'
import type { ServiceIdentity } from '../contract/pipeline.js'
import { Ticket } from '../contract/ticket.js'
import type { SnowflakeGenerator } from '../event/snowflake.js'
import type { AuditMetrics } from './metrics.js'
import { fromSpanEvent, type ReadBack, SPAN_EVENT_NAME } from './span-event.js'

/** What is read of an ended span. */
export interface EndedSpan {
  spanContext(): SpanContext
  readonly events: readonly {
    readonly name: string
    readonly time: HrTime
    readonly attributes?: Attributes | undefined
  }[]
  readonly droppedEventsCount: number
}

/** What reading needs of the pipeline that takes the events. */
interface ReceivingPipeline {
  readonly ids: SnowflakeGenerator
  readonly identity: ServiceIdentity
  readonly metrics: AuditMetrics
}

/**
 * The `secret.access` events on an ended span that did not come through the helper, as async tickets, once:
 * whichever pipeline asks first gets them.
 *
 * Their author need not know this library: an event without an id gets one, one without a time has that of the span
 * event. What cannot be an audit event is counted and logged.
 */
export function readAuditEvents(span: EndedSpan, pipeline: ReceivingPipeline): Ticket[] {
  if (!takeEvents(span)) return []
  if (span.droppedEventsCount > 0) pipeline.metrics.count('spans.dropped_events', span.droppedEventsCount)
  const tickets: Ticket[] = []
  for (const { name, time, attributes } of span.events) {
    if (name !== SPAN_EVENT_NAME) continue
    try {
      const read = fromSpanEvent(attributes ?? {})
      if (read === undefined) throw unreadable()
      tickets.push(ticketFor(read, time, span.spanContext(), pipeline))
    } catch (error) {
      pipeline.metrics.count('spans.unreadable')
      const why = errorText(error)
      diag.error(`otel-audit: a ${SPAN_EVENT_NAME} span event cannot be stored: ${why}`)
    }
  }
  return tickets
}

function ticketFor(
  read: ReadBack,
  [seconds, nanos]: HrTime,
  context: SpanContext,
  pipeline: ReceivingPipeline,
): Ticket {
  const draft = draftEvent(read.fields, read.markers)
  const occurredAt = eventTime(read.occurredAt ?? seconds * 1_000_000 + Math.floor(nanos / 1000), wallClock())
  const ticket = new Ticket('async', 0, 0)
  const { serviceName, serviceInstanceId } = pipeline.identity
  ticket.seal(
    completeEvent(draft, {
      auditId: read.auditId ?? pipeline.ids.at(occurredAt / 1000),
      occurredAt,
      serviceName,
      serviceInstanceId,
      traceId: context.traceId,
      spanId: context.spanId,
    }),
  )
  return ticket
}

function unreadable(): AuditError {
  const needed = 'secret_audit.credential, secret_audit.operation and secret_audit.outcome'
  return new AuditError('AUDIT_INVALID_EVENT', `it needs the attributes ${needed}`)
}
