import { type MeterProvider as ApiProvider, metrics } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import { onTestFinished } from 'vitest'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Scraper {
  readonly provider: ApiProvider
  /** What the SDK collects now. */
  collect(): Promise<ResourceMetrics>
  /** The text that Prometheus would get now. */
  exposition(): Promise<string>
  /** The samples of that text, of our metrics only. */
  samples(): Promise<readonly Sample[]>
}

/** A real MeterProvider with the Prometheus exporter, without its server. Registered until the test ends. */
export function scraper(): Scraper {
  const reader = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [reader] })
  metrics.disable()
  metrics.setGlobalMeterProvider(provider)
  onTestFinished(async () => {
    metrics.disable()
    await provider.shutdown()
  })
  const collect = async () => {
    const { resourceMetrics, errors } = await reader.collect()
    if (errors.length > 0) throw new AggregateError(errors)
    return resourceMetrics
  }
  const exposition = async () => new PrometheusSerializer().serialize(await collect())
  return { provider, collect, exposition, samples: async () => parsed(await exposition()) }
}

const SAMPLE = /^(noetl_secret_audit_\w+)(?:\{(.*)\})? (\S+)$/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)",?/g

function parsed(exposition: string): Sample[] {
  return exposition.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, text] as const)
    // Not ours: which instrumentation the metric is of.
    const own = pairs.filter(([key]) => !key.startsWith('otel_scope_'))
    return [{ name, labels: Object.fromEntries(own), value: Number(value) }]
  })
}
