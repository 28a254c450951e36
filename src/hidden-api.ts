import { trace } from '@opentelemetry/api'

// Where every copy of the API, whatever its version, registers what the process has.
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

interface Registered {
  readonly version?: unknown
  readonly trace?: unknown
}

/**
 * The version of the API with which the tracing of this process was registered, when ours does not see it: a copy of
 * the API looks past what an older one has registered.
 */
export function hiddenApi(): string | undefined {
  const registered = (globalThis as { [REGISTERED]?: Registered })[REGISTERED]
  if (registered?.trace === undefined || registered.trace === trace.getTracerProvider()) return undefined
  return String(registered.version)
}
