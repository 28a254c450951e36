import { wallClock } from '../host/globals.js'
import type { Attributes, HrTime, SpanContext } from '@opentelemetry/api'
import { errorText } from '../host/error-text.js'
import { diag } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'
import { completeEvent, draftEvent } from '../event/event.js'
import { eventTime } from '../event/time.js'
import { takeEvents } from './audit-span.js'
import { derivedId, type WithoutId } from './derived-id.js'
import type { ServiceIdentity } from '../contract/pipeline.js'
import { Ticket } from '../contract/ticket.js'
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
  readonly identity: ServiceIdentity
  readonly metrics: AuditMetrics
}

/**
 * The `secret.access` events on an ended span that did not come through the helper, as async tickets, once:
 * whichever pipeline asks first gets them.
 *
 * Their author need not know this library: an event without an id gets the one that {@link derivedId} gives it wherever it
 * arrives, one without a time has that of the span event. What cannot be an audit event is counted and logged.
 */
export function readAuditEvents(span: EndedSpan, pipeline: ReceivingPipeline): Ticket[] {
  if (!takeEvents(span)) return []
  if (span.droppedEventsCount > 0) pipeline.metrics.count('spans.dropped_events', span.droppedEventsCount)
  const tickets: Ticket[] = []
  const found = span.events.filter(({ name }) => name === SPAN_EVENT_NAME)
  for (const [ordinal, { time, attributes = {} }] of found.entries()) {
    try {
      const read = fromSpanEvent(attributes)
      if (read === undefined) throw unreadable()
      const { traceId, spanId } = span.spanContext()
      tickets.push(
        ticketFor(read, { traceId, spanId, timeNanos: nanosOf(time), ordinal, attributes }, pipeline),
      )
    } catch (error) {
      pipeline.metrics.count('spans.unreadable')
      const why = errorText(error)
      diag.error(`otel-audit: a ${SPAN_EVENT_NAME} span event cannot be stored: ${why}`)
    }
  }
  return tickets
}

function ticketFor(read: ReadBack, event: WithoutId, { identity }: ReceivingPipeline): Ticket {
  const draft = draftEvent(read.fields, read.markers)
  const occurredAt = eventTime(read.occurredAt ?? Number(event.timeNanos / 1000n), wallClock())
  const ticket = new Ticket('async', 0, 0)
  const { serviceName, serviceInstanceId } = identity
  ticket.seal(
    completeEvent(draft, {
      auditId: read.auditId ?? derivedId(event, occurredAt),
      occurredAt,
      serviceName,
      serviceInstanceId,
      traceId: event.traceId,
      spanId: event.spanId,
    }),
  )
  return ticket
}

/** As the SDKs' exporters write it. A clock of the application's may give seconds with a fraction. */
function nanosOf([seconds, nanos]: HrTime): bigint {
  const whole = Math.floor(seconds)
  return BigInt(whole) * 1_000_000_000n + BigInt(Math.round((seconds - whole) * 1e9) + Math.floor(nanos))
}

function unreadable(): AuditError {
  const needed = 'secret_audit.credential, secret_audit.operation and secret_audit.outcome'
  return new AuditError('AUDIT_INVALID_EVENT', `it needs the attributes ${needed}`)
}
