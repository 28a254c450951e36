import { type Attributes, trace } from '@opentelemetry/api'
import { BatchSpanProcessor, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { AuditSpanProcessor } from '../../src/otel/processor.js'
import { SecretAuditService } from '../../src/service/service.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening, thrower, traced } from '../service/telemetry.js'
import { ACCESS, recordingAudit, startSdk } from './own-sdk.js'
import { scraper } from './scrape.js'

const FOREIGN = {
  'secret_audit.credential': 'orders-db',
  'secret_audit.operation': 'get_sealed',
  'secret_audit.outcome': 'no_pubkey',
}

/** A span of somebody who does not know this library, with these `secret.access` events. */
function foreignSpan(...events: readonly Attributes[]) {
  const span = trace.getTracer('somebody').startSpan('their work')
  for (const attributes of events) span.addEvent('secret.access', attributes)
  span.end()
  return span.spanContext()
}

const counted = (name: string, value: number) => ({
  name: `noetl_secret_audit_${name}_total`,
  labels: {},
  value,
})

const nothing: SpanProcessor = {
  onStart: () => {},
  onEnd: () => {},
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}

/** What a processor may be given in place of a span. */
const SIGHTS: readonly (readonly [string, (span: ReadableSpan) => ReadableSpan])[] = [
  ['the span itself', (span: ReadableSpan) => span],
  ['a frozen span', (span: ReadableSpan) => Object.freeze(span)],
  [
    'a span behind a proxy that lets nothing be written',
    (span: ReadableSpan) => new Proxy(span, { set: () => false }),
  ],
]

describe('a secret.access event that other code put on a span', () => {
  it('is picked up once, with an id and the time of the span event when it has none', async () => {
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [nothing] }))
    const before = Date.now() * 1000
    const { traceId, spanId } = foreignSpan(FOREIGN)
    const [row, ...more] = await rows()
    expect(more).toEqual([])
    expect(row).toMatchObject({
      credential: 'orders-db',
      operation: 'get_sealed',
      outcome: 'no_pubkey',
      traceId,
      spanId,
    })
    expect(row?.occurredAt).toBeGreaterThanOrEqual(before)
    expect(row?.occurredAt).toBeLessThanOrEqual(Date.now() * 1000)
    expect(audit.stats()).toMatchObject({ emitted: 1, written: 1 })
  })

  it.each(SIGHTS)('is stored once when ours sees %s twice', async (_what, given) => {
    const { audit, rows } = recordingAudit()
    const [ours] = audit.withSdk({ spanProcessors: [nothing] }).spanProcessors as readonly SpanProcessor[]
    const twice: SpanProcessor = {
      ...nothing,
      onEnd(span) {
        const same = given(span)
        for (let seen = 0; seen < 2; seen++) ours?.onEnd(same)
      },
    }
    startSdk({ spanProcessors: [twice] })
    foreignSpan(FOREIGN)
    expect(await rows()).toHaveLength(1)
  })

  it('has an id without having one: the same wherever its span is read, another for each event of the span', async () => {
    const sinks = [new RecordingAuditSink(), new RecordingAuditSink()]
    const spans: ReadableSpan[] = []
    traced([{ ...nothing, onEnd: (span) => void spans.push(span) }])
    foreignSpan(FOREIGN, FOREIGN, { ...FOREIGN, 'secret_audit.execution_id': 7 })
    for (const sink of sinks) {
      const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
      // Each sees an object of its own, as behind a network.
      const copies = spans.map((span) => ({
        ...span,
        spanContext: () => span.spanContext(),
        events: span.events,
      }))
      await new Promise((resolve) => exporter.export(copies, resolve))
    }
    const [first, second] = sinks.map(({ events }) => events.map(({ auditId }) => `${auditId}`).toSorted())
    expect(new Set(first).size).toBe(3)
    expect(second).toEqual(first)
    expect(sinks[0]?.events.map(({ executionId }) => executionId)).toContain(7n)
  })

  it('keeps the id and the time that it has', async () => {
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [nothing] }))
    const occurredAt = (Date.now() - 60_000) * 1000
    foreignSpan({
      ...FOREIGN,
      'secret_audit.audit_id': '4611686018427387904',
      'secret_audit.occurred_at': `${occurredAt}`,
    })
    expect(await rows()).toMatchObject([{ auditId: 2n ** 62n, occurredAt }])
  })

  it('is counted when it cannot be an audit event; its neighbours are stored', async () => {
    const said = listening()
    const { samples } = scraper()
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [nothing] }))
    const { 'secret_audit.outcome': _, ...noOutcome } = FOREIGN
    foreignSpan(
      noOutcome,
      { ...FOREIGN, 'secret_audit.operation': 'DROP TABLE' },
      { ...FOREIGN, 'secret_audit.notes': 'neighbour' },
      { ...FOREIGN, 'secret_audit.occurred_at': '1' },
      { ...FOREIGN, 'secret_audit.execution_id': 1.5 },
      { ...FOREIGN, 'secret_audit.worker_id': ['w-1'] },
    )
    expect(await rows()).toMatchObject([{ notes: 'neighbour' }])
    expect(await samples()).toContainEqual(counted('spans_unreadable', 5))
    expect(said.filter((line) => line.includes('cannot be stored'))).toHaveLength(5)
  })

  it('is picked up although a processor of the user throws at the end of the span', async () => {
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [{ ...nothing, onEnd: thrower }] }))
    expect(() => foreignSpan(FOREIGN)).toThrow('broken')
    expect(await rows()).toHaveLength(1)
  })

  it('is counted when the SDK dropped it before it could be read', async () => {
    const { samples } = scraper()
    const { audit, rows } = recordingAudit()
    startSdk(audit.withSdk({ spanProcessors: [nothing], spanLimits: { eventCountLimit: 2 } }))
    foreignSpan(FOREIGN, FOREIGN, FOREIGN, FOREIGN, FOREIGN)
    expect(await rows()).toHaveLength(2)
    expect(await samples()).toContainEqual(counted('spans_dropped_events', 3))
  })
})

describe('an event that comes by processor and by exporter', () => {
  function bothWays() {
    const sink = new RecordingAuditSink()
    const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
    const batch = new BatchSpanProcessor(exporter)
    traced([new AuditSpanProcessor(exporter), batch])
    return { sink, exporter, batch }
  }

  it('is stored once, and counted once, when it is ours', async () => {
    const { sink, exporter, batch } = bothWays()
    const service = new SecretAuditService({ pipeline: exporter })
    service.recordAsync(ACCESS)
    await service.recordStrict(ACCESS)
    await batch.forceFlush()
    await exporter.forceFlush()
    expect(sink.events).toHaveLength(2)
    expect(exporter.stats()).toMatchObject({ emitted: 2, written: 2 })
    expect(exporter.metrics.total('records.direct')).toBe(0)
  })

  it('is stored once, and counted once, when other code made it', async () => {
    const { sink, exporter, batch } = bothWays()
    foreignSpan(FOREIGN, { ...FOREIGN, 'secret_audit.operation': 'not valid!' })
    await batch.forceFlush()
    await exporter.forceFlush()
    expect(sink.events).toHaveLength(1)
    expect(exporter.stats()).toMatchObject({ emitted: 1, written: 1 })
    expect(exporter.metrics.total('spans.unreadable')).toBe(1)
  })
})
