import type { Entry } from './entry.js'
import { Lane } from './lane.js'

export interface QueueBounds {
  /** Most events that are held, waiting and in flight together. */
  readonly queueRows: number
  /** Most bytes that are held, waiting and in flight together. */
  readonly queueBytes: number
}

export interface BatchBounds {
  readonly batchRows: number
  readonly batchBytes: number
}

/**
 * The bounded queue of events that wait to be sent: strict before async, each in order of arrival.
 *
 * The bounds count everything that is held, so an event in flight still takes its place: it may come back.
 */
export class AuditQueue {
  readonly #bounds: QueueBounds
  readonly #strict = new Lane()
  readonly #async = new Lane()
  #heldRows = 0
  #heldBytes = 0
  #waitingAsyncBytes = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  /** Events held: waiting and in flight. */
  get held(): number {
    return this.#heldRows
  }

  get waiting(): number {
    return this.#strict.length + this.#async.length
  }

  /** More than half of the bounds is held. */
  get isCrowded(): boolean {
    const { queueRows, queueBytes } = this.#bounds
    return this.#heldRows * 2 > queueRows || this.#heldBytes * 2 > queueBytes
  }

  get hasAsync(): boolean {
    return this.#async.length > 0
  }

  get hasStrict(): boolean {
    return this.#strict.length > 0
  }

  /** The strict events that wait. */
  strict(): readonly Entry[] {
    return this.#strict.all()
  }

  get oldestAsync(): Entry | undefined {
    return this.#async.first
  }

  /** Whether enough async events wait to fill a batch. */
  fillsBatch({ batchRows, batchBytes }: BatchBounds): boolean {
    return this.#async.length >= batchRows || this.#waitingAsyncBytes >= batchBytes
  }

  /** Gives an event its place in the bounds. @returns false when that would go over them */
  reserve(entry: Entry): boolean {
    const { queueRows, queueBytes } = this.#bounds
    if (this.#heldRows + 1 > queueRows || this.#heldBytes + entry.bytes > queueBytes) return false
    this.#heldRows++
    this.#heldBytes += entry.bytes
    return true
  }

  /** Lets an event that has its place wait to be sent. */
  enqueue(entry: Entry): void {
    if (entry.lane === 'strict') {
      this.#strict.push(entry)
    } else {
      this.#async.push(entry)
      this.#waitingAsyncBytes += entry.bytes
    }
  }

  /** The oldest async events, taken out; their places stay theirs. */
  takeAsync(limit: number): Entry[] {
    const taken: Entry[] = []
    while (taken.length < limit) {
      const entry = this.#async.shift()
      if (entry === undefined) break
      this.#waitingAsyncBytes -= entry.bytes
      taken.push(entry)
    }
    return taken
  }

  /** Gives up an event's place: its fate is known. It must not be waiting. */
  release(entry: Entry): void {
    this.#heldRows--
    this.#heldBytes -= entry.bytes
  }

  /** The next events to send, at least one if any waits. An id that is taken already waits for the next batch. */
  take({ batchRows, batchBytes }: BatchBounds): Entry[] {
    const taken: Entry[] = []
    const ids = new Set<bigint>()
    const twins: Entry[] = []
    let bytes = 0
    for (const lane of [this.#strict, this.#async]) {
      for (let entry = lane.first; entry !== undefined; entry = lane.first) {
        if (taken.length >= batchRows || (taken.length > 0 && bytes + entry.bytes > batchBytes)) break
        lane.shift()
        if (lane === this.#async) this.#waitingAsyncBytes -= entry.bytes
        if (ids.has(entry.event.auditId)) {
          twins.push(entry)
          continue
        }
        ids.add(entry.event.auditId)
        taken.push(entry)
        bytes += entry.bytes
      }
    }
    this.putBack(twins)
    return taken
  }

  /** Puts events that were taken, and are known not to be stored, back to the front of their lanes. */
  putBack(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    this.#strict.unshift(entries.filter(({ lane }) => lane === 'strict'))
    const async = entries.filter(({ lane }) => lane === 'async')
    this.#async.unshift(async)
    for (const { bytes } of async) this.#waitingAsyncBytes += bytes
  }

  /** A strict event that nobody waits for any more goes on as an async one. */
  demote(entry: Entry): void {
    this.#strict.remove(entry)
    entry.lane = 'async'
    this.enqueue(entry)
  }

  /** Takes a waiting event out. */
  remove(entry: Entry): void {
    if (entry.lane === 'strict') this.#strict.remove(entry)
    else if (this.#async.remove(entry)) this.#waitingAsyncBytes -= entry.bytes
  }

  /** Takes everything out that waits. */
  drain(): Entry[] {
    this.#waitingAsyncBytes = 0
    return [...this.#strict.drain(), ...this.#async.drain()]
  }
}
