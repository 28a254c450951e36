import { createHash } from 'node:crypto'
import { type Context, context, ROOT_CONTEXT, SpanKind, trace, TraceFlags } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import { AuditSampler } from '../../src/otel/sampler.js'
import { withTicket } from '../../src/otel/audit-span.js'
import { Ticket } from '../../src/contract/ticket.js'
import { forgetTelemetry, listening } from '../service/telemetry.js'
import { ACCESS, environment, recordingAudit, startSdk } from './own-sdk.js'

const TRACES = 200
const hex = (of: string, digits: number): string =>
  createHash('sha256').update(of).digest('hex').slice(0, digits)

/** The same ids in every run, so that a sampler by ratio decides the same. */
class KnownIds {
  #traces = 0
  #spans = 0
  generateTraceId = (): string => hex(`trace ${this.#traces++}`, 32)
  generateSpanId = (): string => hex(`span ${this.#spans++}`, 16)
}

/** The parents a request can have: none, or one elsewhere that is sampled or not. */
function parents(i: number): Context[] {
  const remote = (traceFlags: number): Context =>
    trace.setSpanContext(ROOT_CONTEXT, {
      traceId: hex(`remote ${traceFlags} ${i}`, 32),
      spanId: hex(`remote ${traceFlags} ${i}`, 16),
      traceFlags,
      isRemote: true,
    })
  return [ROOT_CONTEXT, remote(TraceFlags.NONE), remote(TraceFlags.SAMPLED)]
}

/** The names and traces of the spans that are exported, of requests with a child below each. */
async function exported(withAudit: boolean): Promise<{ own: string[]; audits: string[]; rows: number }> {
  const { audit, rows } = recordingAudit()
  const memory = new InMemorySpanExporter()
  const code = { spanProcessors: [new SimpleSpanProcessor(memory)], idGenerator: new KnownIds() }
  const sdk = startSdk(withAudit ? audit.withSdk(code) : code)
  const tracer = trace.getTracer('application')
  for (let i = 0; i < TRACES; i++) {
    for (const parent of parents(i)) {
      const request = tracer.startSpan('request', {}, parent)
      context.with(trace.setSpan(parent, request), () => {
        tracer.startSpan('child').end()
        if (withAudit) audit.service.recordAsync(ACCESS)
      })
      request.end()
    }
  }
  const spans = memory.getFinishedSpans().map((span) => `${span.name} ${span.spanContext().traceId}`)
  const isAudit = (span: string): boolean => span.startsWith('secret_audit ')
  await sdk.shutdown()
  forgetTelemetry()
  return {
    own: spans.filter((span) => !isAudit(span)),
    audits: spans.filter(isAudit),
    rows: (await rows()).length,
  }
}

describe('the share of exported traces is what it was', () => {
  it.each([
    [{}, 2 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, 3 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, undefined],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, 2 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, TRACES],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, undefined],
    // What cannot be understood is the SDK's default, and said.
    [{ OTEL_TRACES_SAMPLER: 'sometimes' }, 2 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'half' }, 3 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }, 3 * TRACES],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 3 * TRACES],
  ])('%o', async (env: Record<string, string>, traces) => {
    listening()
    environment(env)
    const before = await exported(false)
    const after = await exported(true)
    expect(after.own).toEqual(before.own)
    expect(after.own).toHaveLength(after.audits.length * 2)
    if (traces !== undefined) expect(after.audits).toHaveLength(traces)
    // Every record is stored, whatever is exported.
    expect(after.rows).toBe(3 * TRACES)
  })
})

describe('AuditSampler', () => {
  const ARGUMENTS = [hex('trace', 32), 'name', SpanKind.INTERNAL, {}, []] as const
  const deciding = (decision: SamplingDecision): Sampler & { result: object } => {
    const result = { decision, attributes: { why: 'because' } }
    return { result, shouldSample: () => result, toString: () => 'Deciding' }
  }
  const ticketed = withTicket(ROOT_CONTEXT, new Ticket('async', 0, 0))
  const ask = (sampler: AuditSampler, ctx: Context) =>
    sampler.shouldSample(ctx, ...(ARGUMENTS.slice(0, 3) as [string, string, SpanKind]), {}, [])

  it.each([SamplingDecision.NOT_RECORD, SamplingDecision.RECORD, SamplingDecision.RECORD_AND_SAMPLED])(
    'passes decision %i on as it is for a span without a ticket',
    (decision) => {
      const delegate = deciding(decision)
      expect(ask(new AuditSampler(delegate), ROOT_CONTEXT)).toBe(delegate.result)
    },
  )

  it('records a span with a ticket, and samples none up', () => {
    const decisions = [
      SamplingDecision.NOT_RECORD,
      SamplingDecision.RECORD,
      SamplingDecision.RECORD_AND_SAMPLED,
    ]
    const results = decisions.map((decision) => ask(new AuditSampler(deciding(decision)), ticketed))
    expect(results).toEqual([
      { decision: SamplingDecision.RECORD, attributes: { why: 'because' } },
      { decision: SamplingDecision.RECORD, attributes: { why: 'because' } },
      { decision: SamplingDecision.RECORD_AND_SAMPLED, attributes: { why: 'because' } },
    ])
  })

  it('needs a delegate, and names it', () => {
    const wrong = expect.objectContaining({ code: 'AUDIT_SDK_CONFIG', field: 'delegate' })
    expect(() => new AuditSampler(undefined as never)).toThrow(wrong)
    expect(new AuditSampler(new AlwaysOffSampler()).toString()).toBe('AuditSampler{AlwaysOffSampler}')
  })
})
