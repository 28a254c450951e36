import { context, isSpanContextValid, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { withTicket } from '../service/audit-span.js'
import type { AuditPipeline } from '../service/pipeline.js'
import type { Claimable } from '../service/ticket.js'
import type { SinkFinding } from '../sink/sink.js'
import { VERSION } from '../version.js'

/** What the self-test found. */
export interface SelfTestReport {
  /** Whether nothing stands in the way of durable records. */
  readonly ok: boolean
  readonly findings: readonly SinkFinding[]
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
 */
export function checkTelemetry(pipeline: AuditPipeline): SinkFinding[] {
  const findings: SinkFinding[] = []
  const found = probe(pipeline)
  if (found !== undefined) findings.push({ level: 'warning', check: 'tracer', message: found })
  const meters = metrics.getMeterProvider().constructor.name
  if (meters === 'NoopMeterProvider') {
    const message = 'no MeterProvider is registered: counters are kept, and nobody collects them'
    findings.push({ level: 'warning', check: 'meter', message })
  }
  return findings
}

function probe(pipeline: AuditPipeline): string | undefined {
  const ticket = new Probe()
  // An unsampled parent: with a sampler of somebody else's the probe is still not exported.
  const parent = trace.setSpanContext(context.active() === ROOT_CONTEXT ? ROOT_CONTEXT : context.active(), {
    traceId: '0'.repeat(31) + '1',
    spanId: '0'.repeat(15) + '1',
    traceFlags: 0,
    isRemote: true,
  })
  try {
    const span = trace
      .getTracer('otel-audit', VERSION)
      .startSpan('secret_audit self_test', {}, withTicket(parent, ticket))
    const isReal = isSpanContextValid(span.spanContext()) && span.isRecording()
    span.end()
    if (ticket.claimedBy === pipeline) return undefined
    if (ticket.claimedBy !== undefined) return 'another audit pipeline of this process takes what is traced'
    return isReal
      ? `the tracer (${tracerName()}) does not have our span processor: records take the direct path`
      : `the tracer (${tracerName()}) records no span: records take the direct path and have no trace`
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return `the tracer (${tracerName()}) threw: ${why}; records take the direct path`
  }
}

function tracerName(): string {
  const provider = trace.getTracerProvider() as { getDelegate?: () => object }
  return (provider.getDelegate?.() ?? provider).constructor.name
}
