import { trace } from '@opentelemetry/api'
import { BatchSpanProcessor, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DurableAuditExporter, type SpanExportResult } from '../../src/exporter/exporter.js'
import type { EndedSpan } from '../../src/otel/read-span.js'
import { SecretAuditService } from '../../src/service/service.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { RecordingAuditSink, type ScriptedWrite } from '../../src/sinks/recording.js'
import { migratedDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'
import { listening, thrower, traced } from '../service/telemetry.js'
import { ACCESS } from './own-sdk.js'

function exporterOver(script?: ScriptedWrite) {
  const sink = new RecordingAuditSink(script)
  const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  onTestFinished(() => exporter.close(0))
  return { sink, exporter }
}

const FOREIGN = {
  'secret_audit.credential': 'orders-db',
  'secret_audit.operation': 'get_sealed',
  'secret_audit.outcome': 'ok',
}

let spans = 0

/** An ended span as an exporter gets it. */
function spanWith(...attributes: readonly object[]): EndedSpan {
  const spanId = String(++spans).padStart(16, '0')
  return {
    spanContext: () => ({ traceId: 'a'.repeat(32), spanId, traceFlags: 1 }),
    events: attributes.map((own) => ({
      name: 'secret.access',
      time: [Date.now() / 1000, 0],
      attributes: { ...own },
    })),
    droppedEventsCount: 0,
  }
}

const exported = (exporter: DurableAuditExporter, spans: readonly EndedSpan[]): Promise<SpanExportResult> =>
  new Promise((resolve) => exporter.export(spans, resolve))

describe('DurableAuditExporter in a span processor of the SDK', () => {
  it('stores what any code put on spans, in Postgres, without any other part of this library', async () => {
    const database = await migratedDatabase()
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    const exporter = new DurableAuditExporter({ sink })
    onTestFinished(async () => {
      await exporter.close(0)
      await database.drop()
    })
    const { provider } = traced([new BatchSpanProcessor(exporter)])
    for (let i = 0; i < 3; i++) {
      trace.getTracer('somebody').startSpan('work').addEvent('secret.access', FOREIGN).addEvent('else').end()
    }
    await provider.forceFlush()
    expect(await readTrail(database.url)).toHaveLength(3)
    await provider.shutdown()
    expect(exporter.isClosed).toBe(true)
  })

  it.each([BatchSpanProcessor, SimpleSpanProcessor])(
    '%o: the events of the helper too, once',
    async (Processor) => {
      const { sink, exporter } = exporterOver()
      const { provider } = traced([new Processor(exporter)])
      const service = new SecretAuditService({ pipeline: exporter })
      service.recordAsync(ACCESS)
      await service.recordStrict(ACCESS)
      await provider.forceFlush()
      await exporter.forceFlush()
      expect(sink.events).toHaveLength(2)
      expect(exporter.stats()).toMatchObject({ emitted: 2, written: 2 })
    },
  )
})

describe('the result of an export', () => {
  it('is success when all are stored, and when there is nothing to store', async () => {
    const { sink, exporter } = exporterOver()
    expect(await exported(exporter, [])).toEqual({ code: 0 })
    expect(await exported(exporter, [spanWith()])).toEqual({ code: 0 })
    expect(await exported(exporter, [spanWith(FOREIGN, FOREIGN), spanWith(FOREIGN)])).toEqual({ code: 0 })
    expect(sink.events).toHaveLength(3)
  })

  it('comes after the commit, not before', async () => {
    let commit: (() => void) | undefined
    const held = new Promise<undefined>((resolve) => {
      commit = () => resolve(undefined)
    })
    const { exporter } = exporterOver(() => held)
    let result: SpanExportResult | undefined
    exporter.export([spanWith(FOREIGN)], (told) => {
      result = told
    })
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
    expect(result).toBeUndefined()
    commit?.()
    await exporter.forceFlush()
    expect(result).toEqual({ code: 0 })
  })

  it('is failure when one is refused, and says how many', async () => {
    listening()
    const { exporter } = exporterOver(({ entries }) =>
      entries.some(({ event }) => event.notes === 'refused')
        ? { status: 'refused', fault: { code: 'AUDIT_REJECTED', message: 'check constraint' } }
        : undefined,
    )
    const span = spanWith(FOREIGN, { ...FOREIGN, 'secret_audit.notes': 'refused' }, FOREIGN)
    expect(await exported(exporter, [span])).toEqual({
      code: 1,
      error: expect.objectContaining({ message: expect.stringContaining('1 of 3 audit events') }),
    })
    expect(exporter.stats()).toMatchObject({ written: 2, droppedAsync: 1 })
  })

  it('is failure when it is closed', async () => {
    listening()
    const { exporter } = exporterOver()
    await exporter.shutdown()
    expect(await exported(exporter, [spanWith(FOREIGN)])).toMatchObject({ code: 1 })
  })

  it('goes to a callback whose own faults change nothing', async () => {
    listening()
    const { sink, exporter } = exporterOver()
    expect(() => exporter.export([], thrower)).not.toThrow()
    exporter.export([spanWith(FOREIGN)], thrower)
    expect(await exported(exporter, [spanWith(FOREIGN)])).toEqual({ code: 0 })
    expect(sink.events).toHaveLength(2)
  })
})
