import { context, metrics, trace, type TracerProvider } from '@opentelemetry/api'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ACCESS, denied, type Recording, recording } from './recording.js'
import { forgetTelemetry, listening, brokenLogger, thrower, traced } from './telemetry.js'

const quiet: SpanProcessor = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}

/** A span whose every method throws; a tracer that makes such. */
const brokenSpan = new Proxy({}, { get: () => thrower })
const provider = (startSpan: () => unknown): TracerProvider =>
  ({ getTracer: () => ({ startSpan, startActiveSpan: startSpan }) }) as unknown as TracerProvider

function globalTracer(given: TracerProvider): void {
  trace.setGlobalTracerProvider(given)
  onTestFinished(forgetTelemetry)
}

const broken: [string, () => void][] = [
  ['a span processor that throws in onStart', () => void traced([{ ...quiet, onStart: thrower }])],
  ['a span processor that throws in onEnd', () => void traced([{ ...quiet, onEnd: thrower }])],
  ['a sampler that throws', () => void traced([], { shouldSample: thrower, toString: () => 'broken' })],
  ['a provider that throws', () => globalTracer({ getTracer: thrower })],
  ['a tracer that throws', () => globalTracer(provider(thrower))],
  ['a tracer that makes nothing', () => globalTracer(provider(() => undefined))],
  ['a tracer that makes nonsense', () => globalTracer(provider(() => ({})))],
  ['a span whose every method throws', () => globalTracer(provider(() => brokenSpan))],
  ['a context manager that throws', brokenContext],
  ['a meter provider that throws', () => meterProvider(thrower)],
  ['a meter whose instruments throw', () => meterProvider(() => brokenSpan as never)],
  [
    'a logger that throws',
    () => {
      brokenLogger()
      traced([{ ...quiet, onStart: thrower, onEnd: thrower }])
      meterProvider(thrower)
    },
  ],
]

describe.each(broken)('with %s', (_, breakIt) => {
  it('records are made and stored as ever', async () => {
    breakIt()
    const { service, rows } = recording()
    const { outcome: __, ...access } = ACCESS
    const auditId = service.recordAsync(ACCESS)
    const receipt = await service.recordStrict(ACCESS)
    expect(await service.guard(access, () => 'secret', { mode: 'strict' })).toBe('secret')
    const stored = await rows()
    expect(stored).toHaveLength(3)
    expect(stored.map((row) => row.auditId)).toEqual(expect.arrayContaining([auditId, receipt.auditId]))
  })

  it('a record that fails fails as ever', async () => {
    breakIt()
    const { service, exporter } = recording({ strict: thrower }, denied)
    await expect(service.record(ACCESS)).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    service.recordAsync(ACCESS)
    await exporter.close(0)
    expect(exporter.stats()).toMatchObject({
      emitted: 2,
      written: 0,
      droppedAsync: 1,
      failedStrict: 1,
      pending: 0,
    })
  })

  it('a listener that throws is only logged', async () => {
    breakIt()
    const { service, exporter, row }: Recording = recording()
    const told = vi.fn()
    exporter.onSettled(thrower)
    exporter.onSettled(told)
    const auditId = service.recordAsync(ACCESS)
    await row()
    expect(told).toHaveBeenCalledWith(auditId, 'stored')
  })
})

describe('what is broken', () => {
  it('is logged on the diagnostics logger', async () => {
    const said = listening()
    traced([{ ...quiet, onEnd: thrower }])
    const { service } = recording()
    await service.recordStrict(ACCESS)
    expect(said.filter((line) => line.includes('the tracer threw in end'))).toHaveLength(1)
  })

  it('does not keep a whole pipeline from starting and closing', async () => {
    brokenLogger()
    traced([{ ...quiet, onStart: thrower }])
    const sink = new RecordingAuditSink()
    const audit = createAudit({ sink })
    const report = await audit.start()
    expect(report.findings.map(({ check }) => check)).toContain('tracer')
    await audit.service.recordStrict(ACCESS)
    await audit.close()
    expect(sink.events.map(({ outcome }) => outcome)).toEqual(['started', ACCESS.outcome, 'stopped'])
  })

  it('when the audit span cannot be had, leaves the row the ids of the active span', async () => {
    const { provider: real } = traced([{ ...quiet, onStart: (span) => void (isAudit(span) && thrower()) }])
    const { service, row } = recording()
    const request = real.getTracer('app').startSpan('request')
    context.with(trace.setSpan(context.active(), request), () => service.recordAsync(ACCESS))
    const { traceId, spanId } = request.spanContext()
    expect(await row()).toMatchObject({ traceId, spanId })
  })
})

const isAudit = (span: unknown): boolean => (span as { name: string }).name.startsWith('secret_audit')

function brokenContext(): void {
  context.setGlobalContextManager({
    active: thrower,
    with: (_ctx, fn, self, ...args) => fn.call(self as never, ...args),
    bind: (_ctx, target) => target,
    enable() {
      return this
    },
    disable() {
      return this
    },
  })
  onTestFinished(forgetTelemetry)
}

function meterProvider(getMeter: () => never): void {
  metrics.setGlobalMeterProvider({ getMeter })
  onTestFinished(forgetTelemetry)
}
