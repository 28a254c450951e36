import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { AuditSpanProcessor, type SpanPipeline } from '../../src/otel/processor.js'
import { withTicket } from '../../src/otel/audit-span.js'
import { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening, thrower, traced } from '../service/telemetry.js'
import { ACCESS, recordingAudit } from './own-sdk.js'

function pipeline() {
  const sink = new RecordingAuditSink()
  const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  onTestFinished(() => exporter.close(0))
  return { sink, exporter, processor: new AuditSpanProcessor(exporter) }
}

describe('a ticket', () => {
  it('is claimed at the start of its span, by the first of several pipelines', async () => {
    const [first, second, own] = [pipeline(), pipeline(), pipeline()]
    traced([first.processor, second.processor])
    const service = new SecretAuditService({ pipeline: own.exporter })
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    await first.exporter.forceFlush()
    expect(first.sink.events).toHaveLength(2)
    expect([second.sink.events, own.sink.events]).toEqual([[], []])
    expect(first.exporter.metrics.total('records.direct')).toBe(0)
  })

  it('that no processor claims goes to the pipeline of its service, and is counted', async () => {
    const own = pipeline()
    traced()
    const service = new SecretAuditService({ pipeline: own.exporter })
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    expect(own.sink.events).toHaveLength(2)
    expect(own.exporter.metrics.total('records.direct')).toBe(2)
  })

  it('is left to the others by a pipeline that is closed', async () => {
    const closed = recordingAudit()
    traced([closed.audit.processor])
    await closed.audit.start()
    await closed.audit.close()
    const next = recordingAudit()
    await next.audit.start()
    const service = new SecretAuditService()
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    trace
      .getTracer('somebody')
      .startSpan('work')
      .addEvent('secret.access', {
        'secret_audit.credential': 'orders-db',
        'secret_audit.operation': 'get_sealed',
        'secret_audit.outcome': 'ok',
      })
      .end()
    expect(await next.rows()).toHaveLength(2)
    expect(await closed.rows()).toEqual([])
  })
})

describe('the processor', () => {
  const broken = {
    isClosed: false,
    metrics: { count: thrower },
    forceFlush: thrower,
    submit: thrower,
  } as unknown as SpanPipeline

  it('never throws into the application', () => {
    listening()
    const processor = new AuditSpanProcessor(broken)
    const ctx = withTicket(ROOT_CONTEXT, { isProbe: false, claim: thrower })
    expect(() => processor.onStart({}, ctx)).not.toThrow()
    for (const span of [
      undefined,
      null,
      {},
      7,
      { events: 7, droppedEventsCount: 1 },
      { spanContext: thrower, events: [{}] },
    ]) {
      expect(() => processor.onEnd(span as never)).not.toThrow()
    }
  })

  it('shut down, stops claiming and flushes what it claimed; the pipeline lives on', async () => {
    const { audit, rows } = recordingAudit({ lingerMs: 60_000 })
    const { provider } = traced([audit.processor])
    audit.service.recordAsync(ACCESS)
    await provider.shutdown()
    expect(audit.stats()).toMatchObject({ written: 1, pending: 0 })
    audit.service.recordAsync(ACCESS)
    expect(await rows()).toHaveLength(2)
  })

  it('forceFlush waits until everything is stored', async () => {
    const { audit } = recordingAudit({ lingerMs: 60_000 })
    const { provider } = traced([audit.processor])
    for (let i = 0; i < 20; i++) audit.service.recordAsync(ACCESS)
    await provider.forceFlush()
    expect(audit.stats()).toMatchObject({ written: 20, pending: 0 })
  })

  it('forceFlush and shutdown give up after their time; nothing is lost by it', async () => {
    let answer: (() => void) | undefined
    const held = new Promise<undefined>((resolve) => {
      answer = () => resolve(undefined)
    })
    const sink = new RecordingAuditSink(() => held)
    const audit = createAudit({ sink, lingerMs: 0, closeTimeoutMs: 20 })
    onTestFinished(() => audit.close())
    audit.service.recordAsync(ACCESS)
    await audit.processor.forceFlush()
    await audit.processor.shutdown()
    expect(audit.stats()).toMatchObject({ written: 0, pending: 1 })
    answer?.()
    await audit.flush()
    expect(sink.events).toHaveLength(1)
  })
})
