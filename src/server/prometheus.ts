import { createRequire } from 'node:module'
import { type MeterProvider, metrics } from '@opentelemetry/api'
import { AuditError } from '../errors.js'
import { resolveOptional } from '../otel/sdk/packages.js'

const SDK = '@opentelemetry/sdk-metrics'
const EXPORTER = '@opentelemetry/exporter-prometheus'

/** What is used of `@opentelemetry/sdk-metrics`; both SDK lines have it. */
interface SdkMetrics {
  readonly MeterProvider: new (options: {
    readonly readers: readonly Reader[]
  }) => MeterProvider & {
    shutdown(): Promise<void>
  }
}

/** What is used of `@opentelemetry/exporter-prometheus`; both SDK lines have it. */
interface ExporterPrometheus {
  readonly PrometheusExporter: new (options: { readonly preventServerStart: true }) => Reader
  readonly PrometheusSerializer: new (
    prefix: undefined,
    appendTimestamp: false,
    withResourceConstantLabels: undefined,
    withoutTargetInfo: true,
  ) => { serialize(collected: unknown): string }
}

interface Reader {
  collect(): Promise<{ readonly resourceMetrics: unknown; readonly errors: readonly unknown[] }>
}

/** The metrics of the process, for Prometheus. */
export interface PrometheusMetrics {
  /** What was collected now, in the text format of Prometheus. */
  readonly exposition: () => Promise<string>
  /** Takes the MeterProvider off again. */
  close(): Promise<void>
}

/**
 * Registers a MeterProvider for this process whose metrics can be scraped.
 *
 * @returns undefined when there is another MeterProvider already: the metrics go where that one sends them
 * @throws AuditError `AUDIT_MISSING_PACKAGE` without `@opentelemetry/sdk-metrics` or `@opentelemetry/exporter-prometheus`
 */
export function prometheusMetrics(): PrometheusMetrics | undefined {
  const { MeterProvider } = load(SDK) as SdkMetrics
  const { PrometheusExporter, PrometheusSerializer } = load(EXPORTER) as ExporterPrometheus
  if (metrics.getMeterProvider().constructor.name !== 'NoopMeterProvider') return undefined
  const reader = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [reader] })
  metrics.setGlobalMeterProvider(provider)
  // `target_info` would have the defaults of the SDK only: Prometheus knows the target by its own labels.
  const serializer = new PrometheusSerializer(undefined, false, undefined, true)
  return {
    exposition: async () => {
      const { resourceMetrics, errors } = await reader.collect()
      if (errors.length > 0) throw new AggregateError(errors, 'metrics could not be collected')
      return serializer.serialize(resourceMetrics)
    },
    async close() {
      metrics.disable()
      await provider.shutdown()
    },
  }
}

function load(name: string): unknown {
  const found = resolveOptional(name)
  if (found === undefined) {
    throw new AuditError('AUDIT_MISSING_PACKAGE', `${name} is not installed: npm install ${SDK} ${EXPORTER}`)
  }
  return createRequire(found)(found)
}
