import type { Packed } from './packed.js'
import type { SpoolKey, SpoolStatus } from '../spool.js'

/** What the worker is started with. */
export interface WorkerSettings {
  readonly ownEnvironment: string
  readonly maxBytes: number
  /** That of the `ExitGate`. */
  readonly gate: SharedArrayBuffer
}

/** How much an environment holds, as an inspection found it. */
export interface EnvironmentCounts {
  readonly entries: number
  readonly bytes: number
  readonly quarantined: number
}

/** What the worker can be asked. */
export type SpoolRequest =
  | { readonly what: 'append'; readonly events: Packed }
  | { readonly what: 'next'; readonly limit: number }
  | { readonly what: 'remove'; readonly keys: readonly SpoolKey[] }
  | { readonly what: 'putBack'; readonly keys: readonly SpoolKey[] }
  | { readonly what: 'quarantine'; readonly key: SpoolKey; readonly reason: string }
  | { readonly what: 'takeOver'; readonly path: string; readonly counts: EnvironmentCounts }
  | { readonly what: 'salvage'; readonly path: string }
  | { readonly what: 'close' }

export type NumberedRequest = SpoolRequest & { readonly id: number }

/** What was done. `status` is as of after the request, `faults` is what went wrong beside it. */
export interface SpoolAnswer {
  readonly id: number
  readonly status: SpoolStatus
  readonly faults: readonly string[]
  readonly keys?: readonly SpoolKey[]
  readonly events?: Packed
  /** How many entries were salvaged. */
  readonly salvaged?: number
}

export type SpoolResponse =
  | SpoolAnswer
  | { readonly id: number; readonly refusal: 'full' | 'unavailable'; readonly message: string }

/** The first message of a worker: it is open, or why it is not. */
export type SpoolGreeting =
  | { readonly opened: SpoolStatus }
  | { readonly failed: string; readonly missing: boolean }
