import { AuditError } from '../errors.js'
import type { AuditSpanProcessor } from './processor.js'
import { AuditSampler, type SamplerLike } from './sampler.js'
import { batchProcessor, processorsFromEnv, samplerFromEnv } from './sdk-env.js'
import {
  type SdkPackages,
  type SpanExporterLike,
  type SpanProcessorLike,
  sdkPackages,
} from './sdk-packages.js'

/** The part of `NodeSDKConfiguration` that decides where spans go. */
export interface SdkConfiguration {
  readonly spanProcessors?: readonly SpanProcessorLike[] | undefined
  readonly spanProcessor?: SpanProcessorLike | undefined
  readonly traceExporter?: SpanExporterLike | undefined
  readonly sampler?: SamplerLike | undefined
}

/**
 * A `NodeSDK` configuration with the audit processor and sampler added to whatever it had, in code or by environment.
 *
 * `NodeSDK({spanProcessors})` silently replaces both `traceExporter` and the exporter of the environment; so what they
 * would have been is built here and put beside ours, and the user's own exporter receives exactly what it received
 * before.
 */
export function withAuditPipeline<Config extends object>(
  config: Config & SdkConfiguration,
  processor: AuditSpanProcessor,
  env: Readonly<Record<string, string | undefined>>,
): Config & { spanProcessors: Processors<Config>; sampler: SamplerOf<Config> } {
  if (env.OTEL_CONFIG_FILE) {
    throw new AuditError(
      'AUDIT_SDK_CONFIG',
      'OTEL_CONFIG_FILE is set: an SDK configured by that file ignores span processors given in code, so the trace ' +
        'would not carry the audit events. Unset it, and use OTEL_* variables or the configuration in code',
    )
  }
  const sdk = lazily(sdkPackages)
  const own = ownProcessors(config, sdk, env)
  const delegate = config.sampler ?? samplerFromEnv(sdk(), env)
  const { traceExporter: _, spanProcessor: __, ...rest } = config
  return {
    ...rest,
    // First: a processor that throws skips those behind it.
    spanProcessors: [processor, ...own],
    sampler: new AuditSampler(delegate),
  } as unknown as Config & { spanProcessors: Processors<Config>; sampler: SamplerOf<Config> }
}

// The SDK's own types, where the configuration names them: they differ between the two SDK lines.
type Processors<Config> = Config extends { spanProcessors?: infer P } ? NonNullable<P> : SpanProcessorLike[]
type SamplerOf<Config> = Config extends { sampler?: infer S } ? NonNullable<S> : SamplerLike

function ownProcessors(
  config: SdkConfiguration,
  sdk: () => SdkPackages,
  env: Readonly<Record<string, string | undefined>>,
): readonly SpanProcessorLike[] {
  if (config.spanProcessors !== undefined) return config.spanProcessors
  if (config.spanProcessor !== undefined) return [config.spanProcessor]
  if (config.traceExporter !== undefined) return [batchProcessor(sdk(), config.traceExporter, env)]
  return processorsFromEnv(sdk(), env)
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
