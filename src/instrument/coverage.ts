import { guardedCall } from '../host/diagnostics.js'
import type { Seen } from './claim.js'

/**
 * How a client is covered: `hooked`, by a hook whose probe came back; `not_hooked`, loaded and not hooked, for a reason;
 * `wire`, by its traffic, which is held back; `observed`, seen and not to be held back.
 */
export type CoverageState = 'hooked' | 'not_hooked' | 'wire' | 'observed'

/** One client of this process, in one version, and how it is covered. */
export interface Coverage {
  /** The package, or for traffic the provider: `@aws-sdk/client-ssm`, `wire:vault`. */
  readonly name: string
  /** Undefined where it is not known. */
  readonly version: string | undefined
  readonly state: CoverageState
  /** What is hooked: public members of the client, or a channel. */
  readonly hook: string | undefined
  /** Why it is not hooked, or what was seen at the wire: a pattern, never a path. */
  readonly reason: string | undefined
  /** Accesses that were seen there. */
  readonly calls: number
}

/** One entry of the register, for the hook that it is about. */
export interface CoveredCopy {
  readonly name: string
  readonly version: string | undefined
  readonly state: CoverageState | undefined
  /** Undefined before it has a state. */
  readonly coverage: Coverage | undefined
  /** @param hook the members that are hooked */
  hooked(hook: string): void
  notHooked(reason: string): void
  wire(reason: string): void
  observed(reason: string): void
  /** An access was seen there. */
  called(): void
}

/** How many accesses were seen by each layer; `claimed`: seen at the wire too, and recorded by a layer above. */
export type AccessCounts = Readonly<Record<Seen | 'claimed', number>>

/** Told of every change of a state. Counts of calls are no change. */
export type CoverageListener = (entry: Coverage) => void

/** Beyond this many names and versions nothing more is noted: test runners load hundreds. */
const MOST_ENTRIES = 512

/** Which secret clients of this process are covered, and how. One entry for each name and version. */
export class CoverageRegister {
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<CoverageListener>()
  #follower: CoverageRegister | undefined
  readonly #counts = { client: 0, wire: 0, observed: 0, claimed: 0 }

  /** The entry of a client, made when it is not there. */
  copy(name: string, version: string | undefined): CoveredCopy {
    const key = `${name}@${version ?? ''}`
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = new Entry(name, version, {
        changed: (coverage) => this.#changed(coverage),
        called: () => this.#follower?.copy(name, version).called(),
      })
      if (this.#entries.size < MOST_ENTRIES) this.#entries.set(key, entry)
    }
    return entry
  }

  /** An access was seen that is recorded. */
  counted(seen: Seen): void {
    this.#counts[seen]++
    this.#follower?.counted(seen)
  }

  /** An access was seen that a layer above records. */
  claimed(): void {
    this.#counts.claimed++
    this.#follower?.claimed()
  }

  accesses(): AccessCounts {
    return { ...this.#counts }
  }

  /** All that have a state. */
  entries(): readonly Coverage[] {
    return [...this.#entries.values()].flatMap((entry) => entry.coverage ?? [])
  }

  /** Calls `listener` at each change from now on. @returns takes it off again */
  onChange(listener: CoverageListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** From now on `follower`, and no other, hears what is noted here; at once, what is known. */
  tell(follower: CoverageRegister): void {
    if (this.#follower === follower) return
    this.#follower = follower
    for (const entry of this.entries()) follower.#note(entry)
  }

  #note({ name, version, state, hook, reason }: Coverage): void {
    const key = `${name}@${version ?? ''}`
    this.copy(name, version)
    this.#entries.get(key)?.to(state, hook, reason)
  }

  #changed(coverage: Coverage): void {
    if (this.#follower !== undefined) this.#follower.#note(coverage)
    for (const listener of this.#listeners) {
      guardedCall('a listener of coverage', () => listener(coverage))
    }
  }
}

interface EntryListener {
  changed(coverage: Coverage): void
  called(): void
}

class Entry implements CoveredCopy {
  readonly name: string
  readonly version: string | undefined
  readonly #told: EntryListener
  #state: CoverageState | undefined
  #hook: string | undefined
  #reason: string | undefined
  #calls = 0

  constructor(name: string, version: string | undefined, told: EntryListener) {
    this.name = name
    this.version = version
    this.#told = told
  }

  get state(): CoverageState | undefined {
    return this.#state
  }

  get coverage(): Coverage | undefined {
    if (this.#state === undefined) return undefined
    const { name, version } = this
    return {
      name,
      version,
      state: this.#state,
      hook: this.#hook,
      reason: this.#reason,
      calls: this.#calls,
    }
  }

  hooked(hook: string): void {
    this.to('hooked', hook, undefined)
  }

  notHooked(reason: string): void {
    this.to('not_hooked', this.#hook, reason)
  }

  wire(reason: string): void {
    // What is seen there next is the same traffic, and no change.
    if (this.#state !== 'wire') this.to('wire', this.#hook, reason)
  }

  observed(reason: string): void {
    if (this.#state !== 'observed') this.to('observed', this.#hook, reason)
  }

  called(): void {
    this.#calls++
    this.#told.called()
  }

  to(state: CoverageState, hook: string | undefined, reason: string | undefined): void {
    if (this.#state === state && this.#hook === hook && this.#reason === reason) return
    this.#state = state
    this.#hook = hook
    this.#reason = reason
    const { coverage } = this
    if (coverage !== undefined) this.#told.changed(coverage)
  }
}
