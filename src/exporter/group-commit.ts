import type { Writer } from './writer.js'
import { clearTimeout, performance, queueMicrotask, setTimeout, wallClock } from '../host/globals.js'
import { errorText } from '../host/error-text.js'
import { contained, diag } from '../host/diagnostics.js'
import { invariant, moved, type Moves } from '../host/invariant.js'
import { ownWork, unclaimed } from '../instrument/claim.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { RowPlace } from '../contract/receipt.js'
import type { AuditBatch, AuditSink, SinkFault, WriteResult } from '../contract/sink.js'
import { backoffMs } from './backoff.js'
import { type Callers, turn } from './callers.js'
import { type Entry, whereabouts } from './entry.js'
import type { Fates } from './fates.js'
import { type AuditQueue, batchOf, inOrder, withoutTwins } from './queue.js'
import { Outage } from './outage.js'
import type { Share } from './share.js'
import type { StoreClock } from './store-clock.js'

/** Who has to know of batches. */
export interface CommitObserver {
  /** Told of every batch that got through. */
  committed(): void
  /** Told of every batch whose events were stored, found stored, or refused; and when no more is due. */
  done(): void
  /** Takes an event that the database refuses aside. @returns whether it did */
  quarantine(entry: Entry, reason: string): Promise<boolean>
  /** Told of a mistake of ours: nothing more is sent. */
  brokenDown(fault: SinkFault): void
}

/** What a group commit works with. */
interface GroupCommitParts {
  readonly sink: AuditSink
  /** What it takes of the queue. */
  readonly share: Share
  readonly queue: AuditQueue
  readonly fates: Fates
  readonly callers: Callers
  readonly metrics: AuditMetrics
  readonly clock: StoreClock
  readonly observer: CommitObserver
}

type State = 'idle' | 'lingering' | 'writing' | 'pausing' | 'stopping' | 'stopped'

const MOVES: Moves<State> = {
  idle: ['lingering', 'writing', 'stopped'],
  lingering: ['writing', 'stopped'],
  writing: ['idle', 'pausing', 'stopping'],
  pausing: ['writing', 'stopping'],
  stopping: ['stopped'],
  stopped: [],
}

/** Each part by name: where it was spread, a strict record without a database took 4.9 µs of the process, so 4.4 (2026-11-29). */
function placeOf({ place }: Committed, index: number): RowPlace | undefined {
  if (place === undefined) return undefined
  const { log, chain, block } = place
  return { log, chain, block, index }
}

type Committed = Extract<WriteResult, { status: 'committed' }>

/** A unique violation although no id of the batch is taken: somebody added a unique index of their own. */
const FOREIGN_CONFLICT: SinkFault = {
  code: 'AUDIT_REJECTED',
  message: 'the row violates a unique constraint that is not of this library',
}

/**
 * Sends what waits, one batch at a time.
 *
 * ```
 *             async only              its time is over, a strict event, a full batch, a flush
 *     idle ───────────────► lingering ──────────────┐
 *      ▲ │                                          ▼        failed, unknown
 *      │ └───────────────── strict, full ──────► writing ◄──────────────────► pausing
 *      └──────────────── nothing is due ────────────┤                            │
 *                                                   │ stop(), or a bug           │
 *   idle, lingering ──stop()──► stopped ◄─ answer ─ stopping ◄───────────────────┘
 * ```
 *
 * While a batch is on its way the next one fills, so all who wait share the next commit: that is the whole of the
 * batching, there is no timer in the way of a strict event. The database goes first: who waits is sent before those of
 * the last batch are told.
 *
 * What a batch's result means is decided here and nowhere else:
 * `committed` → stored · `conflict` → same digest, or the same event: stored; other digest: re-keyed, and written again with the rest ·
 * `refused` → halved until the row at fault stands alone, and gets an id of the store's time if its own may be the fault · `failed` → back to the queue, then a pause ·
 * `unknown` → the *same* batch again, before anything else, until one of the others comes of it.
 *
 * A mistake of ours in here stops it for good: what a row of a batch in flight stands for is not known any more, and to
 * send anything else could break the promises to the sink. Strict callers are refused from then on, events wait for the
 * spool or the end, and the log says so.
 */
export class GroupCommit implements Writer {
  readonly #sink: AuditSink
  readonly #share: Share
  readonly #queue: AuditQueue
  readonly #fates: Fates
  readonly #callers: Callers
  readonly #metrics: AuditMetrics
  readonly #clock: StoreClock
  readonly #observer: CommitObserver
  readonly #outage = new Outage()
  #state: State = 'idle'
  /** How long the last batch took, from its first send to its commit. */
  #writeMs = 0
  #whenIdle: (() => void)[] = []
  /** Flushes that go on. */
  #hurries = 0
  /** Works that have to end before anything is sent. */
  #holds = 0
  #attempt = 0
  /** Of `lingering`. */
  #linger: NodeJS.Timeout | undefined
  /** Of `pausing`. */
  #endPause: (() => void) | undefined
  #fault: SinkFault | undefined
  #isSending = false

  constructor({ sink, share, queue, fates, callers, metrics, clock, observer }: GroupCommitParts) {
    this.#sink = sink
    this.#share = share
    this.#queue = queue
    this.#fates = fates
    this.#callers = callers
    this.#metrics = metrics
    this.#clock = clock
    this.#observer = observer
  }

  get isIdle(): boolean {
    return this.#state === 'idle'
  }

  /** A batch is on its way, and no pause. */
  get isSending(): boolean {
    return this.#isSending && this.#state === 'writing'
  }

  fault(): SinkFault | undefined {
    return this.#fault
  }

  isWriting(): boolean {
    return this.#fault === undefined && !this.#isEnding
  }

  wake(): void {
    if (this.#state !== 'idle' && this.#state !== 'lingering') return
    const wait = this.#dueIn()
    if (wait === undefined) return
    if (wait === 0) {
      this.#begin()
      // After the caller's turn: what else it records in this turn goes along.
      queueMicrotask(() => void unclaimed(() => this.#run()))
    } else if (this.#state === 'idle') {
      this.#to('lingering')
      // The timer of the oldest serves all that come after it.
      this.#linger = setTimeout(() => {
        this.#begin()
        void unclaimed(() => this.#run())
      }, wait)
    }
  }

  /** Sends without lingering, until as many calls of {@link relax}. */
  hurry(): void {
    this.#hurries++
    this.wake()
  }

  relax(): void {
    this.#hurries--
  }

  /** Sends nothing, until as many calls of {@link release}. */
  hold(): void {
    this.#holds++
  }

  /** Whoever releases wakes. */
  release(): void {
    this.#holds--
  }

  /** Ends for good. A batch in flight is given up when its write answers. */
  stop(): void {
    if (this.#isEnding) return
    clearTimeout(this.#linger)
    this.#to(this.#isBusy ? 'stopping' : 'stopped')
    this.#endPause?.()
  }

  /** Resolves when no batch is being written. */
  idle(): Promise<void> {
    return this.#isBusy ? new Promise((resolve) => this.#whenIdle.push(resolve)) : Promise.resolve()
  }

  get #isBusy(): boolean {
    return this.#state === 'writing' || this.#state === 'pausing' || this.#state === 'stopping'
  }

  get #isEnding(): boolean {
    return this.#state === 'stopping' || this.#state === 'stopped'
  }

  #to(next: State): void {
    this.#state = moved('the group commit', MOVES, this.#state, next)
  }

  #begin(): void {
    clearTimeout(this.#linger)
    this.#to('writing')
  }

  /** Never rejects: nobody waits for it. */
  async #run(): Promise<void> {
    try {
      while (!this.#isEnding && this.#dueIn() === 0) {
        const owed = this.#callers.owed
        const entries = this.#share.take()
        this.#isSending = true
        const committing = this.#commit(entries)
        await turn()
        // The batch is on its way: time to tell those of the one before.
        this.#callers.tell(owed)
        await committing
        this.#isSending = false
        if (this.#dueIn() !== 0 && !this.#share.isHelped) await this.#callers.tellIdle(this.#writeMs)
      }
    } catch (error) {
      this.#breakDown([], error)
    }
    this.#callers.tell()
    this.#to(this.#isEnding ? 'stopped' : 'idle')
    for (const resolve of this.#whenIdle.splice(0)) resolve()
    // The last ones were told just now, and have given up their places.
    if (!this.#isEnding) contained('what follows a batch', () => this.#observer.done())
    this.wake()
  }

  /** In how many ms the next batch is due; undefined when nothing waits. */
  #dueIn(): number | undefined {
    return this.#holds > 0 ? undefined : this.#share.dueIn(this.#hurries > 0)
  }

  /** Takes these events to their fates, or puts them back. Never rejects: it is not awaited at once. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    try {
      for (const entry of entries) entry.to('sent')
      await this.#conclude(entries)
    } catch (error) {
      this.#breakDown(entries, error)
    }
  }

  async #conclude(entries: readonly Entry[]): Promise<void> {
    const parts: (readonly Entry[])[] = [entries]
    for (let next = parts.shift(); next !== undefined; next = parts.shift()) {
      if (next.length === 0) continue
      if (this.#redateUnstorable(next)) {
        parts.unshift(...withoutTwins(next))
        continue
      }
      const part = inOrder(next)
      const result = await this.#write(part)
      switch (result.status) {
        case 'committed':
          for (const [index, entry] of part.entries()) {
            this.#callers.committed(entry, result.committedAt, placeOf(result, index))
          }
          // What becomes of the other parts, and when, is not theirs to wait for.
          if (parts.length > 0) this.#callers.tell()
          this.#observer.committed()
          break
        case 'conflict':
          parts.unshift(...(await this.#resolveConflict(part, result)))
          break
        case 'refused':
          parts.unshift(...(await this.#refused(part, result)))
          break
        case 'failed':
          this.#requeue([...part, ...parts.flat()], result.fault, result.lasting)
          await this.#pause()
          return
        case 'unknown':
          invariant(this.#isEnding, 'rows whose fate is unknown were about to be sent in another batch')
          this.#putBackInDoubt(part, result.fault)
          this.#putBack(parts.flat())
          return
      }
    }
    this.#observer.done()
  }

  /** Whoever closes decides. */
  #putBackInDoubt(entries: readonly Entry[], fault: SinkFault): void {
    for (const entry of entries) entry.leaveInDoubt(fault)
    this.#putBack(entries)
  }

  #putBack(entries: readonly Entry[]): void {
    for (const entry of entries) entry.to('waiting')
    this.#queue.putBack(entries)
  }

  /** A mistake of ours: nothing more is sent, and of these it is not known whether they are stored. */
  #breakDown(entries: readonly Entry[], cause: unknown): void {
    const message = `the writer has stopped: ${errorText(cause)}`
    diag.error(`otel-audit: ${message}; restart the process`, cause)
    this.#fault = { code: 'AUDIT_UNAVAILABLE', message, cause }
    this.stop()
    this.#observer.brokenDown(this.#fault)
    const sent = entries.filter(({ phase }) => phase === 'sent')
    contained('leaving events in doubt', () =>
      this.#putBackInDoubt(sent, { code: 'AUDIT_TIMEOUT', message, cause }),
    )
  }

  /** Writes one batch until its fate is decided, or `unknown` when stopped before. */
  async #write(entries: readonly Entry[]): Promise<WriteResult> {
    const batch = batchOf(entries)
    const began = performance.now()
    let inDoubt: WriteResult | undefined
    for (;;) {
      const result = await this.#guardedWrite(batch)
      if (result.status === 'committed') {
        this.#writeMs = performance.now() - began
        this.#clock.heard(result.committedAt / 1000)
        this.#metrics.recordCommit(this.#writeMs / 1000, entries.length)
      }
      if (result.status !== 'failed' && result.status !== 'unknown') {
        this.#attempt = 0
        this.#fault = undefined
        this.#outage.stored(result.status === 'refused' ? 0 : entries.length, this.#queue.waiting)
        return result
      }
      this.#fault = result.fault
      if (result.status === 'failed' && inDoubt === undefined) return result
      if (result.status === 'unknown') inDoubt = result
      // Stored here, perhaps not on the standby: writing it again cannot find out more.
      if (result.fault.code === 'AUDIT_UNCONFIRMED') {
        for (const entry of entries) this.#callers.refuse(entry, result.fault)
      }
      if (this.#isEnding) return inDoubt ?? result
      // An earlier send of it may still commit: nothing about this batch may change, and nothing may overtake it.
      this.#outage.goesOn(
        () => `the fate of ${entries.length} rows is unknown; writing them again: ${result.fault.message}`,
      )
      await this.#pause()
      if (this.#isEnding) return inDoubt ?? result
    }
  }

  async #guardedWrite(batch: AuditBatch): Promise<WriteResult> {
    try {
      return await ownWork(() => this.#sink.write(batch))
    } catch (cause) {
      const message = `the sink ${this.#sink.sinkId} broke its contract: it threw`
      return { status: 'unknown', fault: { code: 'AUDIT_TIMEOUT', message, cause } }
    }
  }

  /** Stored ones are done, colliding ones get another id. @returns what is still to be written */
  async #resolveConflict(
    entries: readonly Entry[],
    { held, same }: Extract<WriteResult, { status: 'conflict' }>,
  ): Promise<readonly (readonly Entry[])[]> {
    if (!entries.some(({ event }) => held.has(event.auditId))) {
      return this.#narrowDown(entries, FOREIGN_CONFLICT)
    }
    const rest: Entry[] = []
    for (const entry of entries) {
      const digest = held.get(entry.event.auditId)
      if (digest && (digest.equals(entry.digest) || same?.has(entry.event.auditId))) {
        this.#callers.stored(entry, wallClock() * 1000, undefined, digest)
        continue
      }
      if (digest !== undefined) {
        entry.rekey()
        this.#metrics.count('records.rekeyed')
      }
      rest.push(entry)
    }
    return withoutTwins(rest)
  }

  /** Before they are sent: what the store is known not to have a place for. @returns whether there was any */
  #redateUnstorable(entries: readonly Entry[]): boolean {
    const now = this.#clock.now()
    if (now === undefined) return false
    const misdated = entries.filter(
      (entry) => entry.mayBeRedated && this.#clock.isUnstorable(entry.event.auditId),
    )
    for (const entry of misdated) this.#redate(entry, now)
    return misdated.length > 0
  }

  #redate(entry: Entry, now: number): void {
    entry.redate(now)
    this.#metrics.count('records.rekeyed')
  }

  /** @returns what is still to be written */
  async #refused(
    entries: readonly Entry[],
    { fault, misdatedAt }: Extract<WriteResult, { status: 'refused' }>,
  ): Promise<readonly (readonly Entry[])[]> {
    if (misdatedAt !== undefined) this.#clock.heard(misdatedAt)
    const [only] = entries
    const now = this.#clock.now()
    const mayBeItsId = misdatedAt !== undefined && now !== undefined && entries.length === 1
    if (mayBeItsId && only?.mayBeRedated && this.#clock.refused(only.event.auditId)) {
      this.#redate(only, now)
      return [entries]
    }
    return this.#narrowDown(entries, fault)
  }

  async #narrowDown(entries: readonly Entry[], fault: SinkFault): Promise<(readonly Entry[])[]> {
    const [only] = entries
    if (entries.length === 1 && only !== undefined) {
      const isAside = only.lane === 'async' && (await this.#observer.quarantine(only, fault.message))
      if (isAside) this.#fates.quarantined(only, fault)
      else this.#callers.refused(only, fault)
      return []
    }
    const middle = entries.length >> 1
    return [entries.slice(0, middle), entries.slice(middle)]
  }

  /** None of these is stored. They wait again, but for strict ones whose caller is gone or need not wait. */
  #requeue(entries: readonly Entry[], fault: SinkFault, lasting: boolean): void {
    const { decides } = this.#share
    const back = entries.filter((entry) => this.#callers.notStored(entry, fault, lasting && decides))
    this.#putBack(back)
    if (back.length > 0 && decides) {
      this.#outage.goesOn(() => {
        const what = `${back.length} audit events wait for the database, ${whereabouts(back)}`
        return `${what}: ${fault.message}; run otel-audit doctor`
      })
    }
  }

  /** Keeps the process alive only while a strict caller waits: its deadline timer does that. */
  async #pause(): Promise<void> {
    if (this.#isEnding) return
    this.#to('pausing')
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, backoffMs(this.#attempt++)).unref()
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#endPause = undefined
    if (!this.#isEnding) this.#to('writing')
  }
}
