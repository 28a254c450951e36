import { trace } from '@opentelemetry/api'

// Of the room's invariant: a loss is not reported to a copy of the API that has no logger behind it. This file finds
// out what the process has registered, whichever copy of the API did it.

// Where every copy of the API, whatever its version, registers what the process has.
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

interface Registered {
  readonly version?: unknown
  readonly trace?: unknown
  readonly diag?: unknown
}

const registered = (): Registered | undefined => (globalThis as { [REGISTERED]?: Registered })[REGISTERED]

/**
 * The version of the API with which the tracing of this process was registered, when the copy of this package does not
 * see it: a copy of the API ignores what an older one has registered.
 */
export function hiddenApi(): string | undefined {
  const api = registered()
  if (api?.trace === undefined || api.trace === trace.getTracerProvider()) return undefined
  return String(api.version)
}

/** Whether a diagnostics logger was set; one with the level NONE counts, too. */
export function hasLogger(): boolean {
  return registered()?.diag !== undefined
}
