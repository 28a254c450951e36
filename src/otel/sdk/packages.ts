import { createRequire } from 'node:module'
import type { Attributes, AttributeValue } from '@opentelemetry/api'
import { join } from 'node:path'
import { errorText } from '../../host/error-text.js'
import { AuditError } from '../../errors.js'
import type { SamplerLike } from '../sampler.js'

/** A span processor of the SDK, as far as it is passed along here. */
export interface SpanProcessorLike {
  // The parameters are the SDK's own types, which differ between its lines; nothing here calls these.
  onStart(span: never, parentContext: never): void
  onEnd(span: never): void
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

/** A span exporter of the SDK, as far as it is passed along here. */
export interface SpanExporterLike {
  export(spans: never, resultCallback: never): void
  shutdown(): Promise<void>
}

/** What is used of `@opentelemetry/sdk-trace`; both SDK lines have these signatures. */
interface SdkTrace {
  readonly BatchSpanProcessor: new (options: {
    readonly exporter: SpanExporterLike
    readonly maxQueueSize?: number | undefined
    readonly scheduledDelayMillis?: number | undefined
    readonly exportTimeoutMillis?: number | undefined
    readonly maxExportBatchSize?: number | undefined
  }) => SpanProcessorLike
  readonly SimpleSpanProcessor: new (options: { readonly exporter: SpanExporterLike }) => SpanProcessorLike
  readonly ConsoleSpanExporter: new () => SpanExporterLike
  readonly AlwaysOnSampler: new () => SamplerLike
  readonly AlwaysOffSampler: new () => SamplerLike
  readonly TraceIdRatioBasedSampler: new (ratio: number) => SamplerLike
  readonly ParentBasedSampler: new (options: { readonly root: SamplerLike }) => SamplerLike
}

type MaybePromise<T> = T | Promise<T>

/** A resource of the SDK, as far as it is used here. */
export interface ResourceLike {
  readonly attributes: Attributes
  // The parameter is the SDK's own type.
  merge(other: never): ResourceLike
  getRawAttributes(): [string, MaybePromise<AttributeValue | undefined>][]
}

/** What is used of `@opentelemetry/resources`. */
interface SdkResources {
  readonly defaultResource: () => MergedResource
  readonly resourceFromAttributes: (attributes: Readonly<Record<string, string>>) => MergedResource
}

interface MergedResource extends ResourceLike {
  merge(other: ResourceLike): ResourceLike
}

/** Loads packages as `@opentelemetry/sdk-node` itself would: its very own copies. */
export interface SdkPackages {
  readonly trace: SdkTrace
  exporter(name: string, className: string): SpanExporterLike
  /** The package `name` as `user` sees it: what that one depends on. */
  dependency(user: string, name: string): unknown
  /** What a `NodeSDK` has that was given no resource. */
  defaultResource(): ResourceLike
  resource(attributes: Readonly<Record<string, string>>): never
}

const SDK_NODE = '@opentelemetry/sdk-node'
/** As among the peer dependencies of `package.json`. */
const SUPPORTED = '>=0.220.0 <0.400.0'

/**
 * Finds the SDK that the application uses, seen from its working directory and from this package.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE`
 */
export function sdkPackages(): SdkPackages {
  const require = createRequire(locateSdkNode())
  const resources = (): SdkResources => load(require, '@opentelemetry/resources') as SdkResources
  return {
    defaultResource: () => resources().defaultResource(),
    // As the type that `merge` of any SDK's resource takes.
    resource: (attributes) => resources().resourceFromAttributes(attributes) as never,
    trace: load(require, '@opentelemetry/sdk-trace') as SdkTrace,
    exporter(name, className) {
      const exports = load(require, name) as Record<string, (new () => SpanExporterLike) | undefined>
      const Exporter = exports[className]
      if (Exporter === undefined) {
        throw new AuditError('AUDIT_SDK_CONFIG', `${name} of this SDK has no ${className}`)
      }
      return new Exporter()
    },
    dependency: (user, name) => load(createRequire(require.resolve(user)), name),
  }
}

function load(require: NodeJS.Require, name: string): unknown {
  try {
    return require(name)
  } catch (cause) {
    const why = errorText(cause).split('\n', 1)[0]
    throw new AuditError(
      'AUDIT_MISSING_PACKAGE',
      `${name} cannot be loaded beside ${SDK_NODE}, of which ${SUPPORTED} is supported: ${why}`,
      { cause },
    )
  }
}

/** @returns the path of the SDK's entry file. @throws AuditError `AUDIT_MISSING_PACKAGE` */
export function locateSdkNode(): string {
  const found = resolveOptional(SDK_NODE)
  if (found !== undefined) return found
  throw new AuditError(
    'AUDIT_MISSING_PACKAGE',
    `${SDK_NODE} is not installed. Install it beside this package: npm install ${SDK_NODE}`,
  )
}

/** Where a package of the application's is: seen from its working directory, else from this package. */
export function resolveOptional(name: string): string | undefined {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve(name)
    } catch {
      // the other place is tried next
    }
  }
  return undefined
}
