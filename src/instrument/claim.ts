import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuditFields } from '../event/event.js'

/** Which access a layer is about: by these the layer below sees whether it is the same. */
export interface AccessKey {
  /** `aws`, `vault`, … */
  readonly provider: string
  readonly operation: string
  /** As asked for, and as the provider also calls it. Of a batch: each. */
  readonly credentials: readonly string[]
}

/** What stands around the code that runs: an access in progress, a guard, a probe, or the pipeline's own work. */
export interface Claim {
  /**
   * `access`: a layer has it, and records it. `guard`: the application records what happens inside. `probe`: nothing
   * happens at all. `own`: the pipeline itself works.
   */
  readonly kind: 'access' | 'guard' | 'probe' | 'own'
  /** Of an access. */
  readonly key?: AccessKey | undefined
  /** False once its call has settled: what was started inside, and runs on, is no part of it. */
  isOpen: boolean
  /** What it stands in itself. */
  readonly outer: Claim | undefined
  /** The audit id that its row will have: set aside when first asked for. Undefined where there is no row. */
  readonly auditId?: (() => bigint | undefined) | undefined
  /** Of a guard: it may record an access inside with its own row. */
  readonly guard?: GuardClaim | undefined
  /** Of a probe: told of what it would have been. */
  readonly onProbe?: ((seen: Seen, key: AccessKey) => void) | undefined
}

/** The layer that sees an access: a hook of its client, its traffic, or its traffic where that cannot be held back. */
export type Seen = 'client' | 'wire' | 'observed'

/** What a guard makes of the accesses inside. */
export interface GuardClaim {
  /** An access begins. @returns where its rows go when it has ended */
  begin(): GuardedRows
}

/** Takes the rows of one access inside a guard. */
export interface GuardedRows {
  /**
   * @param record makes rows of them after all, for an access that turns out not to be the only one
   * @returns when the value may be handed to the guarded code
   */
  ended(rows: readonly AuditFields[], record: () => Promise<void>): Promise<void>
}

/** What a layer does with an access. */
export type Standing =
  /** It is of nobody else: it gets a row. `inside`: the claim around it. */
  | { readonly is: 'mine'; readonly inside: Claim | undefined }
  /** A guard may record it. */
  | { readonly is: 'guarded'; readonly inside: Claim; readonly guard: GuardClaim }
  /** A layer above records the same access; or it is a probe, and there is none. */
  | { readonly is: 'claimed' }
  /** The pipeline's own: recorded async, and never strict. */
  | { readonly is: 'own' }

// Shared by all copies of this package in the process: what one of them records, no other records again.
const STORE = Symbol.for('otel-audit.claim.v1')

function store(): AsyncLocalStorage<Claim | undefined> {
  const holder = globalThis as { [STORE]?: AsyncLocalStorage<Claim | undefined> }
  return (holder[STORE] ??= new AsyncLocalStorage())
}

/** The innermost claim that is still open. */
function currentClaim(): Claim | undefined {
  let claim = store().getStore()
  while (claim !== undefined && !claim.isOpen) claim = claim.outer
  return claim
}

/** Runs `work` inside a claim of that kind, which is closed when what `work` returns has settled. */
export function claiming<T>(given: Omit<Claim, 'isOpen' | 'outer'>, work: () => T): T {
  const claim: Claim = { ...given, isOpen: true, outer: currentClaim() }
  const close = (): void => {
    claim.isOpen = false
  }
  let result: T
  try {
    result = store().run(claim, work)
  } catch (error) {
    close()
    throw error
  }
  if (isThenable(result)) void result.then(close, close)
  else close()
  return result
}

/** Runs code of the application's outside of every claim: what it accesses itself is nobody's yet. */
export function unclaimed<T>(work: () => T): T {
  return store().run(undefined, work)
}

/** Runs the pipeline's own work: a database URL may come from a secret manager, and must not wait for its own row. */
export function ownWork<T>(work: () => T): T {
  return claiming({ kind: 'own' }, work)
}

/** What becomes of an access that begins here. */
export function standing(seen: Seen, key: AccessKey): Standing {
  const inside = currentClaim()
  for (let claim = inside; claim !== undefined; claim = claim.outer) {
    if (!claim.isOpen) continue
    if (claim.kind === 'own') return { is: 'own' }
    if (claim.kind === 'probe') {
      claim.onProbe?.(seen, key)
      return { is: 'claimed' }
    }
    if (claim.key !== undefined && isSame(claim.key, key)) return { is: 'claimed' }
  }
  // A guard is about the accesses of its own code, and not about those that another access makes inside.
  if (inside?.guard !== undefined) return { is: 'guarded', inside, guard: inside.guard }
  return { is: 'mine', inside }
}

/** The same provider and operation, and one of the credentials. */
function isSame(claimed: AccessKey, found: AccessKey): boolean {
  if (claimed.provider !== found.provider || claimed.operation !== found.operation) return false
  return found.credentials.some((credential) => claimed.credentials.includes(credential))
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
