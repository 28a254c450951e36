import type { DeskStatus, KeyedBytes } from './desk.js'
import type { SpoolKey } from './spool.js'

/** What the worker is started with. */
export interface WorkerSettings {
  readonly ownEnvironment: string
  readonly maxBytes: number
}

/** What the worker can be asked. */
export type SpoolRequest =
  | { readonly what: 'append'; readonly records: readonly Uint8Array[] }
  | { readonly what: 'next'; readonly limit: number }
  | { readonly what: 'remove'; readonly keys: readonly SpoolKey[] }
  | { readonly what: 'putBack'; readonly keys: readonly SpoolKey[] }
  | { readonly what: 'quarantine'; readonly key: SpoolKey; readonly reason: string }
  | { readonly what: 'adopt'; readonly environments: readonly string[] }
  | { readonly what: 'close' }

export type NumberedRequest = SpoolRequest & { readonly id: number }

/** What it answers. `status` is as of after the request. */
export type SpoolResponse =
  | {
      readonly id: number
      readonly status: DeskStatus
      readonly keys?: readonly SpoolKey[]
      readonly entries?: readonly KeyedBytes[]
    }
  | { readonly id: number; readonly refusal: 'full' | 'unavailable'; readonly message: string }

/** The first message of a worker: it is open, or why it is not. */
export type SpoolGreeting =
  | { readonly opened: DeskStatus }
  | { readonly failed: string; readonly missing: boolean }
