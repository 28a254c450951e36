import { context, createContextKey } from '@opentelemetry/api'

// The key of the SDK's `suppressTracing`. It is `Symbol.for`, and both SDK lines look at it, so none is imported.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** Runs `fn`, and what it awaits, without spans: the trail's own database calls are not the application's. */
export function untraced<T>(fn: () => T): T {
  return context.with(context.active().setValue(SUPPRESS_TRACING, true), fn)
}
