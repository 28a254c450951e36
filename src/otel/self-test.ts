import {
  isSpanContextValid,
  metrics,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import { errorText } from '../host/error-text.js'
import { hiddenApi } from '../host/otel-api.js'
import { withTicket } from './audit-span.js'
import type { AuditPipeline } from '../contract/pipeline.js'
import type { Claimable } from '../contract/ticket.js'
import type { HealthFinding } from '../contract/sink.js'
import { VERSION } from '../version.js'

/** What the self-test found. */
export interface SelfTestReport {
  /** Whether nothing stands in the way of durable records. */
  readonly ok: boolean
  readonly findings: readonly HealthFinding[]
}

/** Asks whether a processor claims tickets, without an event and without an export. */
class Probe implements Claimable {
  readonly isProbe = true
  claimedBy: AuditPipeline | undefined

  claim(pipeline: AuditPipeline): boolean {
    this.claimedBy ??= pipeline
    return this.claimedBy === pipeline
  }
}

/**
 * Sends a probe span through the tracer as it is configured now, and sees whether the processor of `pipeline` claims
 * it. When it does not, records take the direct path: they are stored all the same, hence warnings only.
 *
 * @param isInstalled whether a tracer is known to have the processor
 */
export function checkTelemetry(pipeline: AuditPipeline, isInstalled: boolean): HealthFinding[] {
  const findings: HealthFinding[] = []
  const found = probe(pipeline, isInstalled)
  if (found !== undefined) findings.push({ level: 'warning', check: 'tracer', message: found })
  const meters = metrics.getMeterProvider().constructor.name
  if (meters === 'NoopMeterProvider') {
    const message = 'no MeterProvider is registered: counters are kept, but not collected'
    findings.push({ level: 'warning', check: 'meter', message })
  }
  return findings
}

// An unsampled parent: a sampler other than AuditSampler that looks at it does not export the probe either.
const PARENT: SpanContext = {
  traceId: '1'.padStart(32, '0'),
  spanId: '1'.padStart(16, '0'),
  traceFlags: TraceFlags.NONE,
  isRemote: true,
}

function probe(pipeline: AuditPipeline, isInstalled: boolean): string | undefined {
  const hidden = hiddenApi()
  if (hidden !== undefined) {
    return (
      `tracing was registered with @opentelemetry/api ${hidden}, and otel-audit has a newer copy, which does not see it: ` +
      'records take the direct path and have no trace. Install one version: npm ls @opentelemetry/api shows them'
    )
  }
  const ticket = new Probe()
  try {
    const span = trace
      .getTracer('otel-audit', VERSION)
      .startSpan('secret_audit self_test', {}, withTicket(trace.setSpanContext(ROOT_CONTEXT, PARENT), ticket))
    const spanContext = span.spanContext()
    const isRecording = span.isRecording()
    // A tracer that makes no spans returns the parent's span context.
    const isOwn = isSpanContextValid(spanContext) && spanContext.spanId !== PARENT.spanId
    span.end()
    if (ticket.claimedBy === pipeline) return undefined
    if (ticket.claimedBy !== undefined)
      return 'another audit pipeline in this process claims the traced records'
    if (isRecording) {
      return `the tracer (${tracerName()}) does not have the audit span processor: records take the direct path`
    }
    if (isOwn && !isInstalled) {
      return (
        `the tracer (${tracerName()}) does not have the audit span processor: records take the direct path. If it has, its ` +
        'sampler is not wrapped in AuditSampler, and only records in traces that are not sampled do'
      )
    }
    return isOwn
      ? `the sampler of the tracer (${tracerName()}) is not wrapped in AuditSampler: records in traces that are not sampled take the direct path`
      : `the tracer (${tracerName()}) records no span: records take the direct path and have no trace`
  } catch (error) {
    const why = errorText(error)
    return `the tracer (${tracerName()}) threw: ${why}; records take the direct path`
  }
}

function tracerName(): string {
  const provider = trace.getTracerProvider() as { getDelegate?: () => object }
  return (provider.getDelegate?.() ?? provider).constructor.name
}
