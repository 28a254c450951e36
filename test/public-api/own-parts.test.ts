import { ROOT_CONTEXT, SpanKind } from '@opentelemetry/api'
import {
  type AuditBatch,
  type AuditPipeline,
  AuditSampler,
  type AuditSamplingResult,
  type AuditSink,
  AuditSpanProcessor,
  type AuditSpanProcessorOptions,
  type AuditStats,
  type BatchBounds,
  type BatchEntry,
  type BlockPlace,
  type CommittedBlock,
  DurableAuditExporter,
  type DurableAuditExporterOptions,
  type EndedSpan,
  EXPORTER_DEFAULTS,
  type GroupCommitBounds,
  type LostBlocks,
  NoopAuditSink,
  PostgresAuditSink,
  type PostgresAuditSinkOptions,
  type QueueBounds,
  type StoredRow,
  RecordingAuditSink,
  type RecordContext,
  type RecordPolicy,
  type RowPlace,
  type SamplerLike,
  type ScriptedWrite,
  SecretAuditService,
  type ServiceIdentity,
  type SinkFault,
  type HealthFinding,
  type SinkOwner,
  SnowflakeGenerator,
  type SpanExportResult,
  type SpanPipeline,
  type Ticket,
  type TicketAnswer,
  type TicketRoute,
  type WriteResult,
} from 'otel-audit'
import { describe, expect, expectTypeOf, it } from 'vitest'

const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const

describe('a sink of the application', () => {
  class LineSink implements AuditSink {
    readonly sinkId = 'lines'
    readonly lines: string[] = []

    write({ entries }: AuditBatch): Promise<WriteResult> {
      const line = ({ event, digest }: BatchEntry) => `${event.auditId} ${event.outcome} ${digest.length}`
      this.lines.push(...entries.map(line))
      return Promise.resolve({ status: 'committed', committedAt: Date.now() * 1000 })
    }

    check(): Promise<readonly HealthFinding[]> {
      return Promise.resolve([{ level: 'warning', check: 'lines', message: 'not durable' }])
    }

    close(): Promise<void> {
      return Promise.resolve()
    }
  }

  it('may keep chains of blocks of its own: receipts say where, and what it lost gets into the trail', async () => {
    const place: BlockPlace = { log: 'lines', chain: '0'.repeat(32), block: 1 }
    class ChainSink extends LineSink {
      writer: SinkOwner | undefined
      readonly events: string[] = []

      attach(writer: SinkOwner): void {
        this.writer = writer
      }

      override async write(batch: AuditBatch): Promise<WriteResult> {
        const block: CommittedBlock = {
          ...place,
          kind: 'data',
          hash: Buffer.alloc(32),
          note: 'a note\n',
          entries: batch.entries,
        }
        this.writer?.onBlock(block)
        this.events.push(
          ...batch.entries.map(({ event }) => `${event.operation} ${event.attributesJson ?? ''}`),
        )
        return { ...(await super.write(batch)), place } as WriteResult
      }
    }
    const sink = new ChainSink()
    const exporter = new DurableAuditExporter({ sink, lingerMs: 0, identity: { serviceName: 'orders' } })
    expect(sink.writer).toMatchObject({ serviceName: 'orders', serviceInstanceId: undefined, lost: 0 })
    const receipt = await new SecretAuditService({ pipeline: exporter }).recordStrict(ACCESS)
    const where: RowPlace | undefined = receipt.place
    expect(where).toEqual({ ...place, index: 0 })
    const lost: LostBlocks = { chain: place.chain, firstBlock: 2, lastBlock: 3, rows: 5 }
    sink.writer?.onLostBlocks(lost)
    await exporter.forceFlush()
    expect(sink.writer?.lost).toBe(5)
    expect(sink.events.at(-1)).toBe(
      `audit_gap {"chain":"${place.chain}","count":5,"first_block":2,"last_block":3,"reason":"lost_by_store"}`,
    )
    await exporter.close(1000)
  })

  it('is written to by the exporter, with bounds of its own', async () => {
    const sink = new LineSink()
    const batch: BatchBounds = { batchRows: 2, batchBytes: 4096 }
    const commit: GroupCommitBounds = { ...batch, lingerMs: 0 }
    const queue: QueueBounds = { queueRows: 100, queueBytes: 1_000_000 }
    const identity: ServiceIdentity = { serviceName: 'orders' }
    const options: DurableAuditExporterOptions = { sink, identity, machineId: 7, ...commit, ...queue }
    const exporter = new DurableAuditExporter(options)
    expect(EXPORTER_DEFAULTS.batchRows).toBeGreaterThan(batch.batchRows)
    const { auditId } = await new SecretAuditService({ pipeline: exporter }).recordStrict(ACCESS)
    expect(sink.lines).toEqual([`${auditId} ok 32`])
    const stats: AuditStats = exporter.stats()
    expect(stats).toMatchObject({ emitted: 1, written: 1, pending: 0 })
    await exporter.close(1000)
  })

  it('has rows of whoever the context says, at each record', async () => {
    const sink = new RecordingAuditSink()
    let serviceName = 'orders'
    const policy: RecordPolicy = { isStrict: () => true, deadlineMs: () => 1000 }
    const context: RecordContext = {
      policy,
      get identity() {
        return { serviceName }
      },
    }
    const exporter = new DurableAuditExporter({ sink, context })
    const service = new SecretAuditService({ pipeline: exporter })
    expect(await service.record(ACCESS)).toBeDefined()
    serviceName = 'billing'
    expect(await service.record(ACCESS)).toBeDefined()
    expect(sink.events.map((event) => event.serviceName)).toEqual(['orders', 'billing'])
    expect(exporter.policy).toBe(policy)
    await exporter.close(1000)
  })

  it('can be any of those that are here', () => {
    const options: PostgresAuditSinkOptions = { databaseUrl: 'postgres://nobody@192.0.2.1/db' }
    const sinks: AuditSink[] = [new PostgresAuditSink(options), new NoopAuditSink(), new RecordingAuditSink()]
    expect(sinks.map(({ sinkId }) => sinkId)).toEqual(['db', 'noop', 'recording'])
  })

  it('in a test answers as it is told', async () => {
    const fault: SinkFault = { code: 'AUDIT_REJECTED', message: 'check constraint' }
    const script: ScriptedWrite = () => ({ status: 'refused', fault })
    const exporter = new DurableAuditExporter({ sink: new RecordingAuditSink(script) })
    await expect(new SecretAuditService({ pipeline: exporter }).recordStrict(ACCESS)).rejects.toThrow(
      'check constraint',
    )
    await exporter.close(1000)
  })
})

describe('a pipeline of the application', () => {
  it('takes tickets and answers them', async () => {
    const routes: TicketRoute[] = []
    const policy: RecordPolicy = { isStrict: () => true, deadlineMs: () => 100 }
    const pipeline: AuditPipeline = {
      ids: new SnowflakeGenerator(1),
      identity: {},
      tracing: false,
      policy,
      submit(ticket: Ticket, route) {
        routes.push(route)
        expect(ticket.deadlineMs).toBe(100)
        const { event, digest } = ticket
        const row: StoredRow = {
          auditId: event.auditId,
          committedAt: event.occurredAt,
          digest,
          place: undefined,
        }
        ticket.grant(row)
      },
    }
    const receipt = await new SecretAuditService({ pipeline }).record(ACCESS)
    expect(receipt?.auditId).toBeTypeOf('bigint')
    expect(routes).toEqual(['direct'])
    expectTypeOf<Parameters<Ticket['onAnswer']>>().toEqualTypeOf<[TicketAnswer]>()
  })
})

describe('an SDK that withSdk does not know', () => {
  it('gets the processor and the sampler by hand', async () => {
    const sink = new RecordingAuditSink()
    const pipeline: SpanPipeline = new DurableAuditExporter({ sink, lingerMs: 0 })
    const options: AuditSpanProcessorOptions = { flushTimeoutMs: 1000 }
    const processor = new AuditSpanProcessor(pipeline, options)
    processor.onEnd(foreign)
    await processor.forceFlush()
    expect(sink.events).toMatchObject([{ credential: 'vault/db', outcome: 'ok' }])

    const never: SamplerLike = { shouldSample: () => ({ decision: 0 }), toString: () => 'never' }
    const sampler: SamplerLike = new AuditSampler(never)
    const result: AuditSamplingResult = sampler.shouldSample(
      ROOT_CONTEXT,
      '',
      'span',
      SpanKind.INTERNAL,
      {},
      [],
    )
    expect(result).toEqual({ decision: 0 })
    expect(() => new AuditSampler(undefined as never)).toThrow('AUDIT_SDK_CONFIG')
  })

  it('or the exporter as a span exporter', async () => {
    const exporter = new DurableAuditExporter({ sink: new RecordingAuditSink(), lingerMs: 0 })
    const result = await new Promise<SpanExportResult>((resolve) => {
      exporter.export([foreign], resolve)
    })
    expect(result.code).toBe(0)
    await exporter.shutdown()
  })
})

const foreign: EndedSpan = {
  spanContext: () => ({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }),
  droppedEventsCount: 0,
  events: [
    {
      name: 'secret.access',
      time: [Math.floor(Date.now() / 1000), 0],
      attributes: {
        'secret_audit.credential': 'vault/db',
        'secret_audit.operation': 'get_credential',
        'secret_audit.outcome': 'ok',
      },
    },
  ],
}
