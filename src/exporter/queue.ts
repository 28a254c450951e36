import { invariant } from '../host/invariant.js'
import type { AuditBatch } from '../contract/sink.js'
import type { Entry } from './entry.js'

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

  get waitingStrict(): number {
    return this.#strict.length
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

  /** Gives up an event's place: its fate is known, or the disk has it. */
  release(entry: Entry): void {
    invariant(entry.waitsIn === undefined, 'an event gave up its place while it waits')
    this.#heldRows--
    this.#heldBytes -= entry.bytes
  }

  /** The next events to send, at least one if any waits. An id that is taken already waits for the next batch. */
  take({ batchRows, batchBytes }: BatchBounds): readonly Entry[] {
    const taken: Entry[] = []
    let bytes = 0
    for (const lane of [this.#strict, this.#async]) {
      for (let entry = lane.first; entry !== undefined; entry = lane.first) {
        if (taken.length >= batchRows || (taken.length > 0 && bytes + entry.bytes > batchBytes)) break
        lane.shift()
        if (lane === this.#async) this.#waitingAsyncBytes -= entry.bytes
        taken.push(entry)
        bytes += entry.bytes
      }
    }
    const [batch = taken, ...later] = withoutTwins(taken)
    if (later.length > 0) this.putBack(later.flat())
    return batch
  }

  /** Puts events that were taken, and are known not to be stored, back to the front of their lanes. */
  putBack(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    this.#strict.unshift(entries.filter(({ lane }) => lane === 'strict'))
    const async = entries.filter(({ lane }) => lane === 'async')
    this.#async.unshift(async)
    for (const { bytes } of async) this.#waitingAsyncBytes += bytes
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

/**
 * Parts in which no id comes twice: the first of each id, the second of each, and so on. One event may come both ways,
 * and the new id of a re-keyed event may be that of a batch mate.
 */
export function withoutTwins(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const seen = new Map<bigint, number>()
  const parts: Entry[][] = []
  for (const entry of entries) {
    const id = entry.event.auditId
    const nth = seen.get(id) ?? 0
    seen.set(id, nth + 1)
    const part = parts[nth]
    if (part === undefined) parts.push([entry])
    else part.push(entry)
  }
  return parts
}

/**
 * What a sink is given: in ascending order of ids, since two connections that insert the same ids in opposite orders
 * deadlock (8 of 40 trials; sorted: none).
 */
export function inOrder(entries: readonly Entry[]): readonly Entry[] {
  return [...entries].sort((a, b) => (a.event.auditId < b.event.auditId ? -1 : 1))
}

/** @param entries in order */
export function batchOf(entries: readonly Entry[]): AuditBatch {
  return {
    entries: entries.map(({ event, digest, mayBeStored, alike, setAside }) =>
      alike === undefined && setAside === undefined
        ? { event, digest, mayBeStored }
        : { event, digest, mayBeStored, alike, setAside },
    ),
  }
}

/**
 * A FIFO of entries, each of which can be taken out wherever it stands: 16,384 strict callers may run into one deadline
 * together. The links are in the entries, so an entry waits in one lane at most.
 */
export class Lane {
  #first: Entry | undefined
  #last: Entry | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  get first(): Entry | undefined {
    return this.#first
  }

  push(entry: Entry): void {
    this.#insert(entry, this.#last, undefined)
  }

  /** Puts these in front of all others, in their order. */
  unshift(entries: readonly Entry[]): void {
    const next = this.#first
    for (const entry of entries) this.#insert(entry, next === undefined ? this.#last : next.previous, next)
  }

  shift(): Entry | undefined {
    const entry = this.#first
    if (entry !== undefined) this.remove(entry)
    return entry
  }

  /** @returns false when it does not wait here */
  remove(entry: Entry): boolean {
    if (entry.waitsIn !== this) return false
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    entry.previous = entry.next = entry.waitsIn = undefined
    this.#length--
    return true
  }

  /** All of them, first to last. */
  all(): Entry[] {
    const all: Entry[] = []
    for (let entry = this.#first; entry !== undefined; entry = entry.next) all.push(entry)
    return all
  }

  /** Takes all out. */
  drain(): Entry[] {
    const all: Entry[] = []
    for (let entry = this.shift(); entry !== undefined; entry = this.shift()) all.push(entry)
    return all
  }

  #insert(entry: Entry, previous: Entry | undefined, next: Entry | undefined): void {
    entry.waitsIn = this
    entry.previous = previous
    entry.next = next
    if (previous === undefined) this.#first = entry
    else previous.next = entry
    if (next === undefined) this.#last = entry
    else next.previous = entry
    this.#length++
  }
}
