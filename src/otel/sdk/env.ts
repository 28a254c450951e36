import { diag } from '../../host/diagnostics.js'
import type { SamplerLike } from '../sampler.js'
import type { SdkPackages, SpanExporterLike, SpanProcessorLike } from './packages.js'
import type { Environment } from '../../host/environment.js'
import { exporterWithOwnSerializer, PROTO_EXPORTER } from './own-serializer.js'

/** Who turns the spans of the OTLP exporter into bytes: the SDK, or this library. */
export type OtlpSerializer = 'stock' | 'own'

/**
 * What `NodeSDK` makes of the environment when it is given neither processors nor a sampler. It makes nothing of it
 * once processors are given, and exports no builder, so these are built here from the SDK's own classes, by the
 * OpenTelemetry specification of the variables.
 */

/** The processors of `OTEL_TRACES_EXPORTER`, `OTEL_EXPORTER_OTLP_*` and `OTEL_BSP_*`. */
export function processorsFromEnv(
  sdk: SdkPackages,
  env: Environment,
  serializer: OtlpSerializer,
): SpanProcessorLike[] {
  return exporterNames(env).flatMap((name) => {
    switch (name) {
      case 'otlp':
        return [batchProcessor(sdk, otlpExporter(sdk, env, serializer), env)]
      case 'zipkin':
        return [batchProcessor(sdk, sdk.exporter('@opentelemetry/exporter-zipkin', 'ZipkinExporter'), env)]
      case 'console':
        return [new sdk.trace.SimpleSpanProcessor({ exporter: new sdk.trace.ConsoleSpanExporter() })]
      default:
        diag.warn(
          `otel-audit: OTEL_TRACES_EXPORTER names ${name}, which is not otlp, zipkin, console or none`,
        )
        return []
    }
  })
}

/** A `BatchSpanProcessor` with the bounds of `OTEL_BSP_*`. */
export function batchProcessor(
  sdk: SdkPackages,
  exporter: SpanExporterLike,
  env: Environment,
): SpanProcessorLike {
  return new sdk.trace.BatchSpanProcessor({
    exporter,
    maxQueueSize: positive(env, 'OTEL_BSP_MAX_QUEUE_SIZE'),
    scheduledDelayMillis: positive(env, 'OTEL_BSP_SCHEDULE_DELAY'),
    exportTimeoutMillis: positive(env, 'OTEL_BSP_EXPORT_TIMEOUT'),
    maxExportBatchSize: positive(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
  })
}

/** The sampler of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; without them the SDK's default. */
export function samplerFromEnv({ trace }: SdkPackages, env: Environment): SamplerLike {
  const parentBased = (root: SamplerLike): SamplerLike => new trace.ParentBasedSampler({ root })
  const name = word(env, 'OTEL_TRACES_SAMPLER')
  switch (name) {
    case undefined:
    case 'parentbased_always_on':
      return parentBased(new trace.AlwaysOnSampler())
    case 'always_on':
      return new trace.AlwaysOnSampler()
    case 'always_off':
      return new trace.AlwaysOffSampler()
    case 'parentbased_always_off':
      return parentBased(new trace.AlwaysOffSampler())
    case 'traceidratio':
      return new trace.TraceIdRatioBasedSampler(ratio(env))
    case 'parentbased_traceidratio':
      return parentBased(new trace.TraceIdRatioBasedSampler(ratio(env)))
    default:
      diag.error(
        `otel-audit: OTEL_TRACES_SAMPLER is ${name}, which is not a sampler of the SDK; the default is used`,
      )
      return parentBased(new trace.AlwaysOnSampler())
  }
}

function exporterNames(env: Environment): string[] {
  const listed = (word(env, 'OTEL_TRACES_EXPORTER') ?? 'otlp').split(',')
  const names = [
    ...new Set(listed.map((name) => name.trim()).filter((name) => name !== '' && name !== 'null')),
  ]
  if (names[0] === 'none') return []
  return names.length === 0 || names.includes('none') ? ['otlp'] : names
}

function otlpExporter(sdk: SdkPackages, env: Environment, serializer: OtlpSerializer): SpanExporterLike {
  const protocol =
    word(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ??
    word(env, 'OTEL_EXPORTER_OTLP_PROTOCOL') ??
    'http/protobuf'
  switch (protocol) {
    case 'grpc':
      return sdk.exporter('@opentelemetry/exporter-trace-otlp-grpc', 'OTLPTraceExporter')
    case 'http/json':
      return sdk.exporter('@opentelemetry/exporter-trace-otlp-http', 'OTLPTraceExporter')
    default:
      if (protocol !== 'http/protobuf') {
        diag.warn(
          `otel-audit: the OTLP protocol ${protocol} is not grpc, http/json or http/protobuf; the last is used`,
        )
      }
      if (serializer === 'own') return exporterWithOwnSerializer(sdk)
      return sdk.exporter(PROTO_EXPORTER, 'OTLPTraceExporter')
  }
}

function ratio(env: Environment): number {
  const value = Number(word(env, 'OTEL_TRACES_SAMPLER_ARG') ?? 1)
  if (value >= 0 && value <= 1) return value
  diag.error('otel-audit: OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1; 1 is used')
  return 1
}

function positive(env: Environment, variable: string): number | undefined {
  const value = Number(word(env, variable) ?? Number.NaN)
  return value > 0 ? value : undefined
}

/** Empty means unset. */
function word(env: Environment, variable: string): string | undefined {
  const text = env[variable]?.trim()
  return text === '' ? undefined : text
}
