import { type Context, context, createContextKey } from '@opentelemetry/api'
import { diag } from './diagnostics.js'

// Of the room's invariant: no instrumentation of the application hears the calls that this library makes itself.

// The key of the SDK's `suppressTracing`. It is `Symbol.for`, and both SDK lines look at it, so none is imported.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/**
 * Runs `fn` once, and what it awaits, without spans: the trail's own database calls are not the application's. The
 * context manager is the application's: with one that throws, `fn` runs all the same.
 *
 * @throws what `fn` throws, and nothing else
 */
export function untraced<T>(fn: () => T): T {
  let ended: (() => T) | undefined
  try {
    context.with(suppressed(), () => {
      ended ??= endOf(fn)
    })
  } catch (error) {
    diag.warn('otel-audit: the context manager threw; database calls of the trail may be traced', error)
  }
  return (ended ?? fn)()
}

function suppressed(): Context {
  return context.active().setValue(SUPPRESS_TRACING, true)
}

/** Runs `fn`. @returns what returns or throws as it did: so its error is not taken for one of the context manager */
function endOf<T>(fn: () => T): () => T {
  try {
    const value = fn()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}
