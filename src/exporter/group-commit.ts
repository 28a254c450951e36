import { diag } from '../host/diagnostics.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { AuditBatch, AuditSink, SinkFault, WriteResult } from '../contract/sink.js'
import { Answers, turn } from './answers.js'
import { batchOf, inOrder, whereabouts, withoutTwins } from './batch.js'
import type { Entry } from './entry.js'
import type { AuditQueue, BatchBounds } from './queue.js'
import { backoffMs } from './backoff.js'
import type { Settlement } from './settlement.js'

export interface GroupCommitBounds extends BatchBounds {
  /** How long an async event may wait for company, in ms. */
  readonly lingerMs: number
}

/** A unique violation although no id of the batch is taken: somebody added a unique index of their own. */
const FOREIGN_CONFLICT: SinkFault = {
  code: 'AUDIT_REJECTED',
  message: 'the row violates a unique constraint that is not of this library',
}

/**
 * Sends what waits, one batch at a time.
 *
 * ```
 *   idle ──submit──► lingering (async only) ──► sending ──► … ──► idle
 *                                                 │  ▲
 *                            failed, unknown ──► pausing
 * ```
 *
 * While a batch is on its way the next one fills, so all who wait share the next commit: that is the whole of the
 * batching, there is no timer in the way of a strict event. The database goes first: who waits is sent before those of
 * the last batch are told.
 *
 * What a batch's result means is decided here and nowhere else:
 * `committed` → stored · `conflict` → same digest: stored; other digest: re-keyed, and written again with the rest ·
 * `refused` → halved until the row at fault stands alone · `failed` → back to the queue, then a pause ·
 * `unknown` → the *same* batch again, before anything else, until one of the others comes of it.
 */
export class GroupCommit {
  readonly #sink: AuditSink
  readonly #queue: AuditQueue
  readonly #settlement: Settlement
  readonly #metrics: AuditMetrics
  readonly #bounds: GroupCommitBounds
  #running = false
  readonly #answers: Answers
  /** How long the last batch took, from its first send to its commit. */
  #writeMs = 0
  #whenIdle: (() => void)[] = []
  #stopped = false
  /** Takes an event that the database refuses aside. @returns whether it did */
  quarantine: ((entry: Entry, reason: string) => Promise<boolean>) | undefined
  /** Called after every batch that got through. */
  onProgress: (() => void) | undefined
  /** Called after every batch whose events were stored, found stored, or refused; and when no more is due. */
  onDone: (() => void) | undefined
  /** Flushes that go on. */
  #hurries = 0
  /** Works that have to end before anything is sent. */
  #holds = 0
  #attempt = 0
  #linger: NodeJS.Timeout | undefined
  #endPause: (() => void) | undefined
  #lastFault: SinkFault | undefined

  constructor(
    sink: AuditSink,
    queue: AuditQueue,
    settlement: Settlement,
    metrics: AuditMetrics,
    bounds: GroupCommitBounds,
  ) {
    this.#sink = sink
    this.#queue = queue
    this.#settlement = settlement
    this.#metrics = metrics
    this.#bounds = bounds
    this.#answers = new Answers(settlement)
  }

  /** Why the database could not write last; undefined since it stored or refused rows again. */
  get lastFault(): SinkFault | undefined {
    return this.#lastFault
  }

  /** Something new waits. */
  wake(): void {
    if (this.#running || this.#stopped) return
    const wait = this.#dueIn()
    if (wait === undefined) return
    if (wait > 0) {
      // The timer of the oldest serves all that come after it.
      this.#linger ??= setTimeout(() => this.#start(), wait)
    } else {
      this.#endLinger()
      this.#running = true
      // After the caller's turn: what else it records in this turn goes along.
      queueMicrotask(() => void this.#run())
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

  release(): void {
    this.#holds--
    this.wake()
  }

  /** Ends for good. A batch in flight is given up when its write answers. */
  stop(): void {
    this.#stopped = true
    this.#endLinger()
    this.#endPause?.()
  }

  /** Resolves when no batch is being written. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#whenIdle.push(resolve)) : Promise.resolve()
  }

  #endLinger(): void {
    clearTimeout(this.#linger)
    this.#linger = undefined
  }

  #start(): void {
    this.#linger = undefined
    if (this.#running || this.#stopped) return
    this.#running = true
    void this.#run()
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopped && this.#dueIn() === 0) {
        const committed = this.#answers.waiting
        const committing = this.#commit(this.#queue.take(this.#bounds))
        await turn()
        // The batch is on its way: time to tell those of the one before.
        this.#answers.tell(committed)
        await committing
        if (this.#dueIn() !== 0) await this.#answers.tellIdle(this.#writeMs)
      }
    } finally {
      this.#answers.tell()
      this.#running = false
      for (const resolve of this.#whenIdle.splice(0)) resolve()
    }
    // The last ones were told just now, and have given up their places.
    if (!this.#stopped) this.onDone?.()
    this.wake()
  }

  /** In how many ms the next batch is due; undefined when nothing waits. */
  #dueIn(): number | undefined {
    if (this.#holds > 0) return undefined
    if (this.#queue.hasStrict) return 0
    const oldest = this.#queue.oldestAsync
    if (oldest === undefined) return undefined
    if (this.#hurries > 0 || this.#queue.fillsBatch(this.#bounds)) return 0
    return Math.max(0, Math.ceil(oldest.acceptedAt + this.#bounds.lingerMs - performance.now()))
  }

  /** Takes these events to their fates, or puts them back. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) entry.phase = 'sent'
    const parts: (readonly Entry[])[] = [entries]
    for (let next = parts.shift(); next !== undefined; next = parts.shift()) {
      if (next.length === 0) continue
      const part = inOrder(next)
      const result = await this.#write(part)
      switch (result.status) {
        case 'committed':
          for (const [index, entry] of part.entries()) {
            const { committedAt, place } = result
            this.#answers.owe(entry, committedAt, place && { ...place, index })
          }
          // What becomes of the other parts, and when, is not theirs to wait for.
          if (parts.length > 0) this.#answers.tell()
          this.onProgress?.()
          break
        case 'conflict':
          parts.unshift(...(await this.#resolveConflict(part, result.held)))
          break
        case 'refused':
          parts.unshift(...(await this.#narrowDown(part, result.fault)))
          break
        case 'failed':
          this.#requeue([...part, ...parts.flat()], result.fault, result.lasting)
          await this.#pause()
          return
        case 'unknown':
          // Only when stopped: whoever closes decides.
          for (const entry of part) entry.doubt = result.fault
          for (const entry of [...part, ...parts.flat()]) entry.phase = 'queued'
          this.#queue.putBack([...part, ...parts.flat()])
          return
      }
    }
    this.onDone?.()
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
        this.#metrics.recordCommit(this.#writeMs / 1000, entries.length)
      }
      if (result.status !== 'failed' && result.status !== 'unknown') {
        this.#attempt = 0
        this.#lastFault = undefined
        return result
      }
      this.#lastFault = result.fault
      if (result.status === 'failed' && inDoubt === undefined) return result
      if (result.status === 'unknown') inDoubt = result
      // Stored here, perhaps not on the standby: writing it again cannot find out more.
      if (result.fault.code === 'AUDIT_UNCONFIRMED') {
        for (const entry of entries) this.#settlement.deny(entry, result.fault)
      }
      if (this.#stopped) return inDoubt ?? result
      // An earlier send of it may still commit: nothing about this batch may change, and nothing may overtake it.
      diag.warn(
        `otel-audit: the fate of ${entries.length} rows is unknown; writing them again: ${result.fault.message}`,
      )
      await this.#pause()
      if (this.#stopped) return inDoubt ?? result
    }
  }

  async #guardedWrite(batch: AuditBatch): Promise<WriteResult> {
    try {
      return await this.#sink.write(batch)
    } catch (cause) {
      const message = `the sink ${this.#sink.sinkId} broke its contract: it threw`
      return { status: 'unknown', fault: { code: 'AUDIT_TIMEOUT', message, cause } }
    }
  }

  /** Stored ones are done, colliding ones get another id. @returns what is still to be written */
  async #resolveConflict(
    entries: readonly Entry[],
    held: ReadonlyMap<bigint, Buffer | null>,
  ): Promise<(readonly Entry[])[]> {
    if (!entries.some(({ event }) => held.has(event.auditId))) {
      return this.#narrowDown(entries, FOREIGN_CONFLICT)
    }
    const rest: Entry[] = []
    for (const entry of entries) {
      const digest = held.get(entry.event.auditId)
      if (digest?.equals(entry.digest)) {
        this.#settlement.stored(entry, Date.now() * 1000)
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

  async #narrowDown(entries: readonly Entry[], fault: SinkFault): Promise<(readonly Entry[])[]> {
    const [only] = entries
    if (entries.length === 1 && only !== undefined) {
      const isAside = only.lane === 'async' && (await this.quarantine?.(only, fault.message))
      if (isAside) this.#settlement.quarantined(only, fault)
      else this.#settlement.refused(only, fault)
      return []
    }
    const middle = entries.length >> 1
    return [entries.slice(0, middle), entries.slice(middle)]
  }

  /** None of these is stored. They wait again, but for strict ones whose caller is gone or need not wait. */
  #requeue(entries: readonly Entry[], fault: SinkFault, lasting: boolean): void {
    const back: Entry[] = []
    for (const entry of entries) {
      if (entry.lane === 'strict') {
        if (lasting) this.#settlement.deny(entry, fault)
        if (!entry.ticket.isWaiting) {
          if (entry.event.outcome === 'ok') {
            this.#settlement.dropped(entry, 'caller_refused', 'its caller was refused, and it is not stored')
            continue
          }
          entry.lane = 'async'
        }
      }
      entry.phase = 'queued'
      back.push(entry)
    }
    this.#queue.putBack(back)
    if (back.length > 0) {
      const what = `${back.length} audit events wait for the database, ${whereabouts(back)}`
      diag.warn(`otel-audit: ${what}: ${fault.message}; run otel-audit doctor`)
    }
  }

  /** Keeps the process alive only while a strict caller waits: its deadline timer does that. */
  async #pause(): Promise<void> {
    if (this.#stopped) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, backoffMs(this.#attempt++)).unref()
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#endPause = undefined
  }
}
