import { trace } from '@opentelemetry/api'

// Where every copy of the API, whatever its version, registers what the process has.
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

interface Registered {
  readonly version?: unknown
  readonly trace?: unknown
  readonly diag?: unknown
}

const registered = (): Registered | undefined => (globalThis as { [REGISTERED]?: Registered })[REGISTERED]

/**
 * The version of the API with which the tracing of this process was registered, when ours does not see it: a copy of
 * the API looks past what an older one has registered.
 */
export function hiddenApi(): string | undefined {
  const api = registered()
  if (api?.trace === undefined || api.trace === trace.getTracerProvider()) return undefined
  return String(api.version)
}

/** Whether somebody has set a diagnostics logger: one that is told to be silent is one, too. */
export function hasLogger(): boolean {
  return registered()?.diag !== undefined
}
