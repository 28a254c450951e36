import {
  createAudit,
  NoopAuditSink,
  type SpanExporterLike,
  type SpanProcessorLike,
  type WithAuditPipeline,
} from 'otel-audit'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { compile, packageUser } from '../support/type-check.js'

/** What an application writes that types its telemetry, against the SDK that is installed. */
const APPLICATION = `
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import {
  AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor, ParentBasedSampler, SimpleSpanProcessor,
  type Sampler, type SpanExporter, type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { AuditSampler, AuditSpanProcessor, createAudit, DurableAuditExporter, NoopAuditSink } from 'otel-audit'

const exporter = new DurableAuditExporter({ sink: new NoopAuditSink() })
export const asExporter: SpanExporter = exporter
export const batch: SpanProcessor = new BatchSpanProcessor(exporter)
export const simple: SpanProcessor = new SimpleSpanProcessor(exporter)
export const processor: SpanProcessor = new AuditSpanProcessor(exporter)
export const sampler: Sampler = new AuditSampler(new ParentBasedSampler({ root: new AlwaysOnSampler() }))

const audit = createAudit({ sink: new NoopAuditSink() })
const traceExporter = new OTLPTraceExporter()
const yours: Partial<NodeSDKConfiguration> = { serviceName: 'orders' }
export const configurations: Partial<NodeSDKConfiguration>[] = [
  audit.withSdk({}),
  audit.withSdk({ traceExporter }),
  audit.withSdk({ serviceName: 'orders', sampler: new AlwaysOnSampler(), spanProcessors: [batch, simple] }),
  audit.withSdk({ spanProcessor: batch, instrumentations: [] }),
  audit.withSdk(yours),
]
export const sdks = [new NodeSDK(audit.withSdk({})), new NodeSDK(audit.withSdk({ traceExporter, serviceName: 'orders' }))]
export const exported = audit.withSdk({ serviceName: 'orders' })
export const { serviceName } = audit.withSdk({ serviceName: 'orders' })
export const name: string = serviceName
export const provider = new BasicTracerProvider({ sampler, spanProcessors: [audit.processor, batch] })
`

const WRONG = `
import { createAudit } from 'otel-audit'

const audit = createAudit()
audit.withSdk({ traceExporter: 'http://collector:4318' })
`

describe('the types fit those of the SDK', () => {
  it.each([
    ['strict', {}],
    [
      'strict, with exact optional properties',
      { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ],
    ['not strict, with a bundler', { strict: false, module: 'esnext', moduleResolution: 'bundler' }],
    ['strict, with declarations checked and emitted', { skipLibCheck: false, declaration: true }],
  ])('%s', async (_, options) => {
    expect(await compile(await packageUser(), { application: APPLICATION }, options)).toBe('')
  })

  it('and have names for code that passes a configuration on', () => {
    const audit = createAudit({ sink: new NoopAuditSink() })
    const configure = (traceExporter: SpanExporterLike) =>
      audit.withSdk({ serviceName: 'orders', traceExporter })
    expectTypeOf(configure).returns.toExtend<WithAuditPipeline<{ serviceName: string }>>()
    expectTypeOf(configure).returns.toHaveProperty('spanProcessors').toEqualTypeOf<SpanProcessorLike[]>()
  })

  it('and tell what is no exporter', async () => {
    const said = await compile(await packageUser(), { wrong: WRONG })
    expect(said).toMatch(/^.*wrong\.ts\(5,17\): error TS2322: Type 'string'/)
  })
})
