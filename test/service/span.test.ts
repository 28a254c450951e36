import { context, trace } from '@opentelemetry/api'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import { eventDigest } from '../../src/event/digest.js'
import { AuditSpanProcessor } from '../../src/otel/processor.js'
import { spanEventTime, toSpanEvent } from '../../src/otel/span-event.js'
import { SecretAuditService } from '../../src/service/service.js'
import { ACCESS, denied, Gate, recording, turns } from './recording.js'
import { traced } from './telemetry.js'

const FULL = {
  ...ACCESS,
  workerId: 'w-1',
  executionId: 2n ** 60n,
  parentExecutionId: 1n,
  serverRegion: 'eu',
  brokerRegion: 'us',
  kekVersion: 'v7',
  notes: 'n',
  actorId: 'a-1',
  actorType: 'user',
  sourceAddress: '10.0.0.7',
  attributes: { tenant: 't-1', hit: true, version: 3 },
} as const

/** What the resource of an SDK says where nobody has said anything. */
const UNKNOWN_SERVICE = { serviceName: `unknown_service:${process.argv0}`, serviceInstanceId: null }

/** The real processor, typed for the SDK that the tests use. */
const processorOf = (pipeline: ConstructorParameters<typeof AuditSpanProcessor>[0]) =>
  new AuditSpanProcessor(pipeline) as unknown as SpanProcessor

describe('the audit span', () => {
  it('is a child of the active span, named by its operation, with the id to route on and exactly one event', async () => {
    const { provider, spans } = traced()
    const { service, row } = recording()
    const parent = provider.getTracer('app').startSpan('request')
    context.with(trace.setSpan(context.active(), parent), () => service.recordAsync(FULL))
    const stored = await row()
    const [span] = spans()
    expect(span).toMatchObject({
      name: 'secret_audit get_credential',
      kind: 0,
      parentSpanContext: { spanId: parent.spanContext().spanId },
      instrumentationScope: { name: 'otel-audit' },
      attributes: { 'audit.record.id': String(stored.auditId) },
      status: { code: 0 },
    })
    expect(span?.events).toHaveLength(1)
    expect(span?.events[0]).toMatchObject({
      name: 'secret.access',
      attributes: toSpanEvent(stored, UNKNOWN_SERVICE),
      time: spanEventTime(stored),
    })
    expect(stored).toMatchObject({
      traceId: parent.spanContext().traceId,
      spanId: span?.spanContext().spanId,
    })
  })

  it('loses no attribute on its way through the SDK', async () => {
    const { spans } = traced()
    const { service, row } = recording()
    await service.recordStrict(FULL)
    const stored = await row()
    const event = spans()[0]?.events[0]
    expect(event?.attributes).toEqual(toSpanEvent(stored, UNKNOWN_SERVICE))
    expect(event?.droppedAttributesCount ?? 0).toBe(0)
  })

  it('in strict mode carries the digest, and stays open until the commit', async () => {
    const gate = new Gate()
    const { spans } = traced()
    const { service, row } = recording({}, gate.write)
    const receipt = service.recordStrict(ACCESS)
    await gate.arrived
    await turns()
    expect(spans()).toEqual([])
    gate.release()
    await receipt
    const digest = eventDigest(await row()).toString('hex')
    expect(spans()).toMatchObject([{ status: { code: 0 }, attributes: { 'secret_audit.digest': digest } }])
  })

  it('in strict mode has the status ERROR and the code when the commit failed', async () => {
    const { spans } = traced()
    const { service } = recording({}, denied)
    await expect(service.recordStrict(ACCESS)).rejects.toThrow()
    expect(spans()).toMatchObject([{ status: { code: 2, message: 'AUDIT_UNAVAILABLE' } }])
  })

  it('in async mode ends at once, without a digest and whatever becomes of the write', async () => {
    const gate = new Gate()
    const { spans } = traced()
    const { service } = recording({}, gate.write)
    service.recordAsync(ACCESS)
    expect(spans()).toMatchObject([{ status: { code: 0 } }])
    expect(spans()[0]?.attributes).not.toHaveProperty(['secret_audit.digest'])
    gate.release()
  })

  it('is never written into: without an active span the row has the ids of the audit span alone', async () => {
    const { spans } = traced()
    const { service, row } = recording()
    service.recordAsync(ACCESS)
    const { traceId, spanId } = await row()
    expect({ traceId, spanId }).toEqual({
      traceId: spans()[0]?.spanContext().traceId,
      spanId: spans()[0]?.spanContext().spanId,
    })
  })
})

describe('the ticket in the Context of the audit span', () => {
  it('is claimed by the processor of the pipeline: the record came by the trace', async () => {
    const { service, exporter, rows } = recording()
    traced([processorOf(exporter)])
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    expect(await rows()).toHaveLength(2)
    expect(exporter.metrics.total('records.direct')).toBe(0)
  })

  it('goes to the pipeline directly when no processor claims it', async () => {
    traced()
    const { service, exporter, rows } = recording()
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    expect(await rows()).toHaveLength(2)
    expect(exporter.metrics.total('records.direct')).toBe(2)
  })

  it('is claimed by the first of two pipelines, and by that one alone', async () => {
    const first = recording()
    const second = recording()
    traced([processorOf(first.exporter), processorOf(second.exporter)])
    const { auditId } = await second.service.recordStrict(ACCESS)
    expect(await first.row()).toMatchObject({ auditId, serviceName: 'orders' })
    expect(await second.rows()).toEqual([])
  })

  it('gives a service without any pipeline the one that traces', async () => {
    const { exporter, row } = recording()
    traced([processorOf(exporter)])
    const { auditId } = await new SecretAuditService().recordStrict(ACCESS)
    expect(await row()).toMatchObject({ auditId })
  })

  it('does not reach the spans of the application', async () => {
    const { exporter, service, rows } = recording()
    const { provider } = traced([processorOf(exporter)])
    await provider.getTracer('app').startActiveSpan('request', async (span) => {
      await service.recordStrict(ACCESS)
      provider.getTracer('app').startSpan('after').end()
      span.end()
    })
    expect(await rows()).toHaveLength(1)
    expect(exporter.stats().emitted).toBe(1)
  })
})
