import { context, metrics, trace, type Tracer } from '@opentelemetry/api'
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import type { Audit } from 'otel-audit'

/** What is registered for both sides. */
export interface Telemetry {
  /** Runs `work` below a span, as in a request. */
  underParent<T>(work: () => T): T
  /** Sends what waits to be exported. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface Tracing extends Telemetry {
  /** A tracer that nothing of this library is in the way of. */
  readonly plainTracer: Tracer
}

/** How often metrics are collected, in ms: more often than in production. */
const COLLECT_EVERY_MS = 1000

const DISCARD: PushMetricExporter = {
  export: (_metrics, done) => done({ code: 0 }),
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}

/** Metrics, and no tracing at all. */
export function startMetrics(): Telemetry {
  const provider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({ exporter: DISCARD, exportIntervalMillis: COLLECT_EVERY_MS }),
    ],
  })
  metrics.setGlobalMeterProvider(provider)
  return {
    underParent: (work) => work(),
    flush: () => Promise.resolve(),
    async close() {
      await provider.shutdown()
      metrics.disable()
    },
  }
}

/**
 * Metrics and tracing, everything sampled: the SDK with `audit` in it for this library, and beside it a tracer
 * provider of the same kind without. Both have a batch processor of their own, with the SDK's defaults.
 */
export function startTracing(audit: Audit, exporters: { ours: SpanExporter; plain: SpanExporter }): Tracing {
  const meters = startMetrics()
  const ours = new BatchSpanProcessor(exporters.ours)
  const plain = new BatchSpanProcessor(exporters.plain)
  const sampler = new AlwaysOnSampler()
  const sdk = new NodeSDK({
    ...audit.withSdk({ spanProcessors: [ours], sampler }),
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  })
  sdk.start()
  const provider = new BasicTracerProvider({ spanProcessors: [plain], sampler })
  const plainTracer = provider.getTracer('bench')
  const parent = plainTracer.startSpan('request')
  return {
    plainTracer,
    underParent: (work) => context.with(trace.setSpan(context.active(), parent), work),
    async flush() {
      await Promise.all([ours.forceFlush(), plain.forceFlush()])
    },
    async close() {
      parent.end()
      await Promise.all([sdk.shutdown(), provider.shutdown()])
      trace.disable()
      context.disable()
      await meters.close()
    },
  }
}
