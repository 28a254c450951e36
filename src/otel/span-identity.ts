import type { SpanIdentity } from './span-event.js'

/** The last resource that was seen: a process has one, as a rule. */
let known: { readonly resource: object; readonly identity: SpanIdentity } | undefined
/** Resources that are being settled. */
const settling = new WeakSet<object>()

/**
 * What the resource of a span says of the service, as an SDK exports it.
 *
 * @returns undefined where that is not known: of another vendor's tracer, and while a detector of the resource is at work
 * @throws what the tracer throws
 */
export function identityOfSpan(span: object): SpanIdentity | undefined {
  const { resource } = span as { readonly resource?: unknown }
  if (typeof resource !== 'object' || resource === null) return undefined
  if (known?.resource === resource) return known.identity
  const given = resource as {
    readonly attributes?: Readonly<Record<string, unknown>>
    readonly asyncAttributesPending?: boolean
    waitForAsyncAttributes?(): Promise<void>
  }
  // Before it is settled, to look at `attributes` is a warning of the SDK.
  if (given.asyncAttributesPending === true) {
    // An exporter of spans settles it. Where there is none it would stay as it is, and every scrape of the metrics would log an error.
    if (!settling.has(resource)) void given.waitForAsyncAttributes?.().catch(() => {})
    settling.add(resource)
    return undefined
  }
  const { attributes } = given
  const text = (name: string): string | null => {
    const value = attributes?.[name]
    return typeof value === 'string' ? value : null
  }
  const identity = { serviceName: text('service.name'), serviceInstanceId: text('service.instance.id') }
  known = { resource, identity }
  return identity
}
