import { AuditError } from '../../errors.js'
import type { ServiceIdentity } from '../../contract/pipeline.js'
import type { AuditSpanProcessor } from '../processor.js'
import { AuditSampler, type SamplerLike } from '../sampler.js'
import { batchProcessor, type OtlpSerializer, processorsFromEnv, samplerFromEnv } from './env.js'
import {
  type ResourceLike,
  type SdkPackages,
  type SpanExporterLike,
  type SpanProcessorLike,
  sdkPackages,
} from './packages.js'

/** The part of `NodeSDKConfiguration` that decides where spans go, and whose they are. */
export interface SdkConfiguration {
  readonly resource?: ResourceLike | undefined
  readonly spanProcessors?: readonly SpanProcessorLike[] | undefined
  readonly spanProcessor?: SpanProcessorLike | undefined
  readonly traceExporter?: SpanExporterLike | undefined
  readonly sampler?: SamplerLike | undefined
}

/** What {@link SdkConfiguration} names is replaced; the rest stays as it is. */
export type WithAuditPipeline<Config extends object> = Omit<Config, keyof SdkConfiguration> & {
  spanProcessors: SpanProcessorLike[]
  sampler: SamplerLike
  resource?: ResourceLike
}

/**
 * A `NodeSDK` configuration with the audit processor and sampler added to whatever it had, in code or by environment.
 *
 * `NodeSDK({spanProcessors})` silently replaces both `traceExporter` and the exporter of the environment; so what they
 * would have been is built here and put beside the audit processor, and the user's own exporter receives exactly what it received
 * before.
 *
 * The resource says which service, and which instance of it, the rows say: an event that is read of its span elsewhere is
 * then the same event.
 *
 * @param identity what the rows say
 */
export function withAuditPipeline<Config extends object>(
  config: Config & SdkConfiguration,
  processor: AuditSpanProcessor,
  identity: ServiceIdentity,
  env: Readonly<Record<string, string | undefined>>,
  serializer: OtlpSerializer,
): WithAuditPipeline<Config> {
  if (env.OTEL_CONFIG_FILE) {
    throw new AuditError(
      'AUDIT_SDK_CONFIG',
      'OTEL_CONFIG_FILE is set: an SDK configured by that file ignores span processors given in code, so the trace ' +
        'would not carry the audit events. Unset it, and use OTEL_* variables or the configuration in code',
    )
  }
  const sdk = lazily(sdkPackages)
  const own = ownProcessors(config, sdk, env, serializer)
  const { sampler, resource, traceExporter: _, spanProcessor: __, spanProcessors: ___, ...rest } = config
  return {
    ...rest,
    ...named(resource, identity, sdk),
    // First: a processor that throws skips those behind it.
    spanProcessors: [processor, ...own],
    sampler: new AuditSampler(sampler ?? samplerFromEnv(sdk(), env)),
  }
}

/** Without the packages of an SDK there is nobody to read it. */
function named(
  resource: ResourceLike | undefined,
  identity: ServiceIdentity,
  sdk: () => SdkPackages,
): { readonly resource?: ResourceLike } {
  try {
    return { resource: (resource ?? sdk().defaultResource()).merge(sdk().resource(attributesOf(identity))) }
  } catch (error) {
    if (error instanceof AuditError && error.code === 'AUDIT_MISSING_PACKAGE') return {}
    throw error
  }
}

const SERVICE_NAME = 'service.name'
const SERVICE_INSTANCE_ID = 'service.instance.id'

/** Of a resource that the application gave. */
export function identityIn(resource: ResourceLike | undefined): ServiceIdentity {
  // Its `attributes` warn while a detector is at work. The first of a name counts, as there.
  const raw = resource?.getRawAttributes() ?? []
  const text = (name: string): string | undefined => {
    const [, value] = raw.find(([key, found]) => key === name && typeof found === 'string') ?? []
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  return { serviceName: text(SERVICE_NAME), serviceInstanceId: text(SERVICE_INSTANCE_ID) }
}

function attributesOf({ serviceName, serviceInstanceId }: ServiceIdentity): Record<string, string> {
  return {
    ...(serviceName !== undefined && { [SERVICE_NAME]: serviceName }),
    ...(serviceInstanceId !== undefined && { [SERVICE_INSTANCE_ID]: serviceInstanceId }),
  }
}

function ownProcessors(
  config: SdkConfiguration,
  sdk: () => SdkPackages,
  env: Readonly<Record<string, string | undefined>>,
  serializer: OtlpSerializer,
): readonly SpanProcessorLike[] {
  if (config.spanProcessors !== undefined) return config.spanProcessors
  if (config.spanProcessor !== undefined) return [config.spanProcessor]
  if (config.traceExporter !== undefined) return [batchProcessor(sdk(), config.traceExporter, env)]
  return processorsFromEnv(sdk(), env, serializer)
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
