import { performance } from '../host/globals.js'
import type { SecondSink } from '../contract/sink.js'
import type { Entry } from './entry.js'
import type { AuditQueue, BatchBounds } from './queue.js'

export interface GroupCommitBounds extends BatchBounds {
  /** How long an async event may wait for company, in ms. */
  readonly lingerMs: number
}

/** When a second writer helps: under load, whenever two events wait (to try it), or never. */
export type SecondChainMode = 'under-load' | 'always' | 'never'

/** What one of the writers takes of what waits, and when. */
export interface Share {
  /** Whether it is the one whose failures say that the database cannot store, and whom strict callers are refused for. */
  readonly decides: boolean
  /** Whether another one may send meanwhile. */
  readonly isHelped: boolean
  /** In how many ms the next batch is due; undefined when there is nothing to take. */
  dueIn(isHurried: boolean): number | undefined
  /** At least one event, if any waits. */
  take(): readonly Entry[]
}

/** The second writer, as the first one sees it. */
export interface Helper {
  readonly isReady: boolean
  /** And sends nothing at the moment. */
  readonly isFree: boolean
  /** The first one has taken its share: what is left is the helper's. */
  taken(): void
}

/** So many strict events have to wait, or a whole batch of async ones: those of a spool that comes back. */
const MANY = 16
/** At so many batches of the first writer, one after the other. */
const SEVERAL = 3

/** Knows whether a second writer is worth its while. */
export class Load {
  readonly #queue: AuditQueue
  readonly #bounds: BatchBounds
  readonly #mode: SecondChainMode
  #inARow = 0

  constructor(queue: AuditQueue, bounds: BatchBounds, mode: SecondChainMode) {
    this.#queue = queue
    this.#bounds = bounds
    this.#mode = mode
  }

  /** The first writer is about to take a batch. */
  noteBatch(): void {
    this.#inARow = this.#isMuch ? this.#inARow + 1 : 0
  }

  /** Whether there is enough for two, now. */
  get isEnough(): boolean {
    if (this.#mode === 'under-load') return this.#isMuch
    return this.#mode === 'always' && this.#queue.waiting >= 2
  }

  get #isMuch(): boolean {
    return this.#queue.waitingStrict >= MANY || this.#queue.fillsBatch(this.#bounds)
  }

  /** Whether that has lasted. */
  get isLasting(): boolean {
    return this.#mode === 'always' || this.#inARow >= SEVERAL
  }

  /** Half of what two writers share. */
  get half(): number {
    const { waiting, waitingStrict } = this.#queue
    return Math.ceil((this.#mode === 'under-load' && waitingStrict >= MANY ? waitingStrict : waiting) / 2)
  }
}

/** Everything that waits; half of it while another writer could take the other half at once. */
export class WholeShare implements Share {
  readonly decides = true
  readonly #queue: AuditQueue
  readonly #bounds: GroupCommitBounds
  readonly #load: Load
  readonly #helper: Helper

  constructor(queue: AuditQueue, bounds: GroupCommitBounds, load: Load, helper: Helper) {
    this.#queue = queue
    this.#bounds = bounds
    this.#load = load
    this.#helper = helper
  }

  get isHelped(): boolean {
    return this.#load.isLasting && this.#helper.isReady
  }

  dueIn(isHurried: boolean): number | undefined {
    if (this.#queue.hasStrict) return 0
    const oldest = this.#queue.oldestAsync
    if (oldest === undefined) return undefined
    if (isHurried || this.#queue.fillsBatch(this.#bounds)) return 0
    return Math.max(0, Math.ceil(oldest.acceptedAt + this.#bounds.lingerMs - performance.now()))
  }

  take(): readonly Entry[] {
    this.#load.noteBatch()
    const { batchRows, batchBytes } = this.#bounds
    const isShared = this.#load.isEnough && this.isHelped && this.#helper.isFree
    const taken = this.#queue.take({
      batchRows: isShared ? Math.min(batchRows, this.#load.half) : batchRows,
      batchBytes,
    })
    this.#helper.taken()
    return taken
  }
}

/** All that waits while the first writer is at work, when that is much. */
export class HelpersShare implements Share {
  readonly decides = false
  readonly isHelped = true
  readonly #queue: AuditQueue
  readonly #bounds: GroupCommitBounds
  readonly #load: Load
  readonly #sink: SecondSink

  constructor(queue: AuditQueue, bounds: GroupCommitBounds, load: Load, sink: SecondSink) {
    this.#queue = queue
    this.#bounds = bounds
    this.#load = load
    this.#sink = sink
  }

  /** What it takes would wait for a connection otherwise, and the first writer has one. */
  dueIn(): number | undefined {
    return this.#load.isEnough && this.#sink.isReady ? 0 : undefined
  }

  take(): readonly Entry[] {
    return this.#queue.take(this.#bounds)
  }
}
