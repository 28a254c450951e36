import { performance, queueMicrotask } from '../host/globals.js'
import { errorText } from '../host/error-text.js'
import { diag } from '../host/diagnostics.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { AuditSink, SecondSink, SinkFault } from '../contract/sink.js'
import type { Callers } from './callers.js'
import type { Fates } from './fates.js'
import { type CommitObserver, GroupCommit } from './group-commit.js'
import type { AuditQueue } from './queue.js'
import {
  type GroupCommitBounds,
  type Helper,
  HelpersShare,
  Load,
  type SecondChainMode,
  type Share,
  WholeShare,
} from './share.js'
import { StoreClock } from './store-clock.js'
import type { Writer } from './writer.js'

/** After how long a second connection that could not be had is asked for again, in ms: twice as long each time. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/** What writers work with. */
export interface WritersParts {
  readonly sink: AuditSink
  readonly queue: AuditQueue
  readonly fates: Fates
  readonly callers: Callers
  readonly metrics: AuditMetrics
  readonly bounds: GroupCommitBounds
  readonly observer: Omit<CommitObserver, 'brokenDown'>
  readonly secondChain: SecondChainMode
}

/**
 * Those who send: one, and under load a second one beside it, on a chain and a connection of its own.
 *
 * The second is asked for when a batch is on its way and many strict events, or a whole batch of async ones, have waited at
 * several batches; from then on the one who is free takes half of what waits. It is used only while its connection is there. That it cannot be had changes
 * nothing: its events go back to where the first one finds them.
 *
 * Two batches may hold events of one id, as when an event came both ways: whoever comes second finds it stored.
 */
export class Writers implements Writer {
  readonly #parts: WritersParts
  readonly #load: Load
  readonly #clock = new StoreClock()
  readonly #first: GroupCommit
  #second: { readonly sink: SecondSink; readonly commits: GroupCommit } | undefined
  #isPreparing = false
  #askAgainAt = -Infinity
  #pauseMs = FIRST_PAUSE_MS
  #isSaid = false
  #holds = 0
  /** A mistake of ours in one of them stops both. */
  #broken: SinkFault | undefined

  constructor(parts: WritersParts) {
    this.#parts = parts
    const { queue, bounds, sink, secondChain } = parts
    this.#load = new Load(queue, bounds, secondChain)
    this.#first = this.#commitsOf(sink, new WholeShare(queue, bounds, this.#load, this.#helper()))
  }

  fault(): SinkFault | undefined {
    return this.#broken ?? this.#first.fault()
  }

  isWriting(): boolean {
    return this.#broken === undefined && this.#first.isWriting()
  }

  wake(): void {
    this.#first.wake()
    this.#help()
  }

  /** Sends without lingering, until as many calls of {@link relax}. */
  hurry(): void {
    this.#first.hurry()
  }

  relax(): void {
    this.#first.relax()
  }

  /** Sends nothing, until as many calls of {@link release}. */
  hold(): void {
    this.#holds++
    for (const commits of this.#all) commits.hold()
  }

  release(): void {
    this.#holds--
    for (const commits of this.#all) commits.release()
    // The second one is woken when it has left something over.
    this.#first.wake()
  }

  /** Ends for good. Batches in flight are given up when their writes answer. */
  stop(): void {
    for (const commits of this.#all) commits.stop()
  }

  /** Resolves when no batch is being written. */
  async idle(): Promise<void> {
    await Promise.all(this.#all.map((commits) => commits.idle()))
  }

  get #all(): readonly GroupCommit[] {
    return this.#second === undefined ? [this.#first] : [this.#first, this.#second.commits]
  }

  #helper(): Helper {
    const isReady = (): boolean => this.#second?.sink.isReady === true
    const isFree = (): boolean => isReady() && this.#second?.commits.isIdle === true
    // What the first one leaves over is for the other one.
    const taken = (): void => queueMicrotask(() => this.#help())
    return {
      get isReady() {
        return isReady()
      },
      get isFree() {
        return isFree()
      },
      taken,
    }
  }

  #help(): void {
    if (!this.#load.isEnough || !this.#first.isSending || !this.#load.isLasting) return
    // Who is held is held by as many as hold the first.
    if (this.#holds > 0) return
    const second = (this.#second ??= this.#makeSecond())
    if (second === undefined) return
    if (second.sink.isReady) second.commits.wake()
    else void this.#prepare(second.sink)
  }

  #makeSecond(): { readonly sink: SecondSink; readonly commits: GroupCommit } | undefined {
    const { sink, queue, bounds } = this.#parts
    const second = sink.beside?.()
    if (second === undefined) return undefined
    const share = new HelpersShare(queue, bounds, this.#load, second)
    return { sink: second, commits: this.#commitsOf(second, share) }
  }

  /** Never rejects: nobody waits for it. */
  async #prepare(sink: SecondSink): Promise<void> {
    if (this.#isPreparing || performance.now() < this.#askAgainAt) return
    this.#isPreparing = true
    try {
      await sink.prepare()
      this.#isSaid = false
      this.#pauseMs = FIRST_PAUSE_MS
    } catch (error) {
      this.#askAgainAt = performance.now() + this.#pauseMs
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
      if (!this.#isSaid && this.#first.isWriting()) {
        diag.warn(`otel-audit: there is no second connection to write on; one has to do: ${errorText(error)}`)
        this.#isSaid = true
      }
    } finally {
      this.#isPreparing = false
    }
    this.#help()
  }

  #commitsOf(sink: AuditSink, share: Share): GroupCommit {
    const { queue, fates, callers, metrics, observer } = this.#parts
    return new GroupCommit({
      sink,
      share,
      queue,
      fates,
      callers,
      metrics,
      clock: this.#clock,
      observer: {
        ...observer,
        done: () => {
          observer.done()
          // What one of them has put back, the other one may take.
          this.wake()
        },
        brokenDown: (fault) => {
          this.#broken ??= fault
          this.stop()
        },
      },
    })
  }
}
