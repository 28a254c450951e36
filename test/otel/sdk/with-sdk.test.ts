import { context, type Context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resources, type NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import { BatchSpanProcessor, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { useLogger } from '../../../src/host/diagnostics.js'
import { exporterWithOwnSerializer } from '../../../src/otel/sdk/own-serializer.js'
import { type SdkPackages, sdkPackages } from '../../../src/otel/sdk/packages.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.js'
import { forgetTelemetry } from '../../service/telemetry.js'
import { ACCESS, environment, recordingAudit, startSdk } from '../own-sdk.js'

let receiver: OtlpReceiver

beforeEach(async () => {
  receiver = await OtlpReceiver.start()
  environment({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
  })
})

afterEach(async () => {
  await receiver.close()
})

const UNSAMPLED = { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00` }
const SAMPLED = { traceparent: `00-${'12'.repeat(16)}-${'34'.repeat(8)}-01`, tracestate: 'vendor=value' }

/** Which instance of the service it is: that alone is added. */
const INSTANCE = 'service.instance.id'

const instancesOf = (spans: readonly ReceivedSpan[]) =>
  new Set(spans.map(({ resource }) => resource.find(({ key }) => key === INSTANCE)?.value.stringValue))

/** What an application traces; `record` is called in the middle of each trace. */
function work(record: () => void): void {
  const remote = (headers: object): Context => propagation.extract(context.active(), headers)
  for (const parent of [context.active(), remote(SAMPLED), remote(UNSAMPLED)]) {
    const tracer = trace.getTracer('application', '1.2.3')
    const attributes = { 'http.route': '/orders', retries: 3, tags: ['a', 'b'], ratio: 0.5, cached: true }
    const request = tracer.startSpan('GET /orders', { kind: SpanKind.SERVER, attributes }, parent)
    context.with(trace.setSpan(parent, request), () => {
      const query = tracer.startSpan('query', { kind: SpanKind.CLIENT })
      query.addEvent('retry', { attempt: 1 })
      query.setStatus({ code: SpanStatusCode.ERROR, message: 'deadlock' })
      query.end()
      record()
    })
    request.end()
  }
}

/** A span without what differs from run to run; its parent by name. */
function described(span: ReceivedSpan, all: readonly ReceivedSpan[]) {
  const {
    traceId,
    spanId,
    parentSpanId,
    startTimeUnixNano: _,
    endTimeUnixNano: __,
    events,
    resource,
    ...rest
  } = span
  const parent = all.find((other) => other.traceId === traceId && other.spanId === parentSpanId)
  const remote = [UNSAMPLED, SAMPLED].find(({ traceparent }) => traceparent.includes(traceId))
  const named = events.map(({ name, attributes }) => ({ name, attributes }))
  return {
    ...rest,
    resource: resource.filter(({ key }) => key !== INSTANCE),
    events: named,
    parent: parent?.name ?? (parentSpanId || undefined),
    trace: remote?.traceparent,
    own: spanId !== '',
  }
}

const byName = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

/** What the receiver gets of a run of the application: the spans, and how each request was made. */
async function received(configuration: Partial<NodeSDKConfiguration>, record: () => void) {
  const from = { spans: receiver.spans.length, requests: receiver.requests.length }
  const sdk = startSdk(configuration)
  work(record)
  await sdk.shutdown()
  forgetTelemetry()
  const spans = receiver.spans.slice(from.spans)
  const requests = receiver.requests.slice(from.requests)
  return {
    instances: instancesOf(spans),
    audits: spans.filter(({ scope }) => scope === 'otel-audit'),
    spans: spans
      .filter(({ scope }) => scope !== 'otel-audit')
      .map((span) => described(span, spans))
      .sort(byName),
    contentTypes: [...new Set(requests.map(({ contentType }) => contentType))],
  }
}

const exporter = () => new OTLPTraceExporter({ url: `${receiver.url}/v1/traces` })

const CONFIGURATIONS: Record<
  string,
  { env?: Record<string, string>; code?: () => Partial<NodeSDKConfiguration>; options?: AuditOptions }
> = {
  'the environment alone': {},
  'the serializer of this library': { options: { otlpSerializer: 'own' } },
  'the serializer of this library, compressed': {
    env: { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' },
    options: { otlpSerializer: 'own' },
  },
  'OTLP as JSON': { env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' } },
  'OTLP as protobuf, for traces only': {
    env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' },
  },
  always_on: { env: { OTEL_TRACES_SAMPLER: 'always_on' } },
  always_off: { env: { OTEL_TRACES_SAMPLER: 'always_off' } },
  'an exporter in code': { code: () => ({ traceExporter: exporter() }) },
  'processors in code': {
    code: () => ({
      spanProcessors: [new BatchSpanProcessor(exporter()), new SimpleSpanProcessor(exporter())],
    }),
  },
  'the deprecated processor in code': { code: () => ({ spanProcessor: new BatchSpanProcessor(exporter()) }) },
  'limits, resource and name in code': {
    code: () => ({
      serviceName: 'orders',
      resource: resources.resourceFromAttributes({ region: 'eu' }),
      spanLimits: { attributeCountLimit: 2 },
    }),
  },
}

describe('the exporter of the user receives exactly what it received before, and the audit spans', () => {
  it.each(Object.keys(CONFIGURATIONS))('%s', async (name) => {
    const { env = {}, code = () => ({}), options } = CONFIGURATIONS[name] ?? {}
    environment(env)
    const before = await received(code(), () => {})

    const { audit, rows } = recordingAudit(options)
    const after = await received(audit.withSdk(code()), () => audit.service.recordAsync(ACCESS))
    expect(after.spans).toEqual(before.spans)
    expect(after.contentTypes).toEqual(before.contentTypes)
    const stored = await rows()
    expect(stored).toHaveLength(3)
    // What is read of a span elsewhere is of the same instance as the row.
    expect(before.instances).toEqual(new Set(before.spans.length === 0 ? [] : [undefined]))
    if (after.spans.length > 0)
      expect(after.instances).toEqual(new Set(stored.map(({ serviceInstanceId }) => serviceInstanceId)))

    // One audit span beside each query that was exported.
    const queries = before.spans.filter((span) => span.name === 'query')
    expect(after.audits).toHaveLength(queries.length)
    if (name === 'always_off') expect(before.spans).toEqual([])
    else expect(before.spans.length).toBeGreaterThan(3)
  })
})

describe('the bounds of OTEL_BSP_* are honoured', () => {
  async function exported(wrap: (code: object) => object, code: object): Promise<readonly number[]> {
    const from = receiver.requests.length
    const sdk = startSdk(wrap(code))
    for (let i = 0; i < 7; i++) trace.getTracer('application').startSpan('work').end()
    await sdk.shutdown()
    forgetTelemetry()
    return receiver.requests
      .slice(from)
      .map(({ spans }) => spans)
      .sort((a, b) => b - a)
  }

  it.each([
    ['from the environment', () => ({})],
    ['around an exporter in code', () => ({ traceExporter: exporter() })],
  ])('%s', async (_, code) => {
    environment({
      OTEL_BSP_SCHEDULE_DELAY: '60000',
      OTEL_BSP_MAX_QUEUE_SIZE: '5',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2',
    })
    const { audit } = recordingAudit()
    const before = await exported((own) => own, code())
    // The first full batch leaves at once, so what fits behind it depends on nothing but these bounds.
    expect(before.every((spans) => spans <= 2)).toBe(true)
    expect(await exported((own) => audit.withSdk(own), code())).toEqual(before)
  })

  it('the delay', async () => {
    environment({ OTEL_BSP_SCHEDULE_DELAY: '60000' })
    const { audit } = recordingAudit()
    const sdk = startSdk(audit.withSdk({}))
    trace.getTracer('application').startSpan('work').end()
    audit.service.recordAsync(ACCESS)
    await audit.flush()
    expect(receiver.requests).toEqual([])
    await sdk.shutdown()
    expect(receiver.spans).toHaveLength(2)
  })
})

const SERIALIZER = 'NOETL_SECRET_AUDIT_OTLP_SERIALIZER'

describe('what the environment names is built from the packages of that very SDK', () => {
  const built = (env: Record<string, string>): string[] => {
    environment(env)
    const { audit } = recordingAudit()
    const { spanProcessors } = audit.withSdk({})
    return spanProcessors.slice(1).map((processor) => {
      const { _exporter } = processor as unknown as {
        _exporter: { constructor: { name: string }; _delegate?: object }
      }
      return `${processor.constructor.name} ${_exporter.constructor.name}`
    })
  }

  it.each([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, ['BatchSpanProcessor OTLPTraceExporter']],
    [{ OTEL_TRACES_EXPORTER: 'console' }, ['SimpleSpanProcessor ConsoleSpanExporter']],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, ['BatchSpanProcessor ZipkinExporter']],
    [
      { OTEL_TRACES_EXPORTER: ' otlp , console ' },
      ['BatchSpanProcessor OTLPTraceExporter', 'SimpleSpanProcessor ConsoleSpanExporter'],
    ],
    [{ OTEL_TRACES_EXPORTER: 'none' }, []],
    [{ OTEL_TRACES_EXPORTER: 'otlp,none' }, ['BatchSpanProcessor OTLPTraceExporter']],
    [{ OTEL_TRACES_EXPORTER: 'jaeger' }, []],
    [{ OTEL_TRACES_EXPORTER: '' }, ['BatchSpanProcessor OTLPTraceExporter']],
    [{ [SERIALIZER]: 'stock' }, ['BatchSpanProcessor OTLPTraceExporter']],
    // Not a class of its own: the base of the SDK's exporters, with another serializer.
    [{ [SERIALIZER]: 'own' }, ['BatchSpanProcessor OTLPExporterBase']],
    [{ [SERIALIZER]: 'own', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, ['BatchSpanProcessor OTLPTraceExporter']],
  ])('%o', (env, wanted) => {
    expect(built(env)).toEqual(wanted)
  })
})

it('an SDK whose packages lack what our serializer needs keeps its own, and that is said', async () => {
  const warnings: string[] = []
  useLogger({ warn: (message) => warnings.push(message), error: () => {} })
  onTestFinished(() => useLogger(undefined))
  const real = sdkPackages()
  const without: SdkPackages = { ...real, dependency: () => ({}) }
  const exporter = exporterWithOwnSerializer(without)
  expect(exporter.constructor.name).toBe('OTLPTraceExporter')
  expect(warnings).toEqual([expect.stringContaining("otlpSerializer: this SDK's own is used: ")])
  await exporter.shutdown()
})

it('says clearly that OTEL_CONFIG_FILE would leave the audit pipeline out', () => {
  environment({ OTEL_CONFIG_FILE: 'otel.yaml' })
  const { audit } = recordingAudit()
  expect(() => audit.withSdk({})).toThrow(
    expect.objectContaining({
      code: 'AUDIT_SDK_CONFIG',
      message: expect.stringContaining('OTEL_CONFIG_FILE'),
    }),
  )
})

it('does not change the configuration that it is given', () => {
  const { audit } = recordingAudit()
  const given = Object.freeze({ traceExporter: exporter(), serviceName: 'orders' })
  const { serviceName, traceExporter, spanProcessors } = audit.withSdk(given) as Partial<NodeSDKConfiguration>
  expect({ serviceName, traceExporter }).toEqual({ serviceName: 'orders', traceExporter: undefined })
  expect(spanProcessors).toHaveLength(2)
  vi.unstubAllEnvs()
})
