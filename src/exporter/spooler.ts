import { clearInterval, performance, setImmediate, setInterval } from '../host/globals.js'
import { diag } from '../host/diagnostics.js'
import type { AuditEvent } from '../event/event.js'
import { Ticket } from '../contract/ticket.js'
import { Entry } from './entry.js'
import type { Fates } from './fates.js'
import type { Overflow } from './overflow.js'
import type { AuditQueue } from './queue.js'
import { backoffMs } from './backoff.js'
import type { Writer } from './writer.js'
import { type Spool, type SpooledEvent, type SpoolKey, SpoolRefusal } from '../spool/spool.js'

/** `overflow`: the spool is used when Postgres is behind or away. `always`: an async event is on disk before it counts. */
export type SpoolMode = 'overflow' | 'always'

/** Most events of one append: one fsync. */
const APPEND_ROWS = 512

/** Most events that are read in one turn of the event loop. */
const FETCH_ROWS = 128

/** Batches that wait in memory at most while spooled events come back: one for each of two writers. */
const BATCHES_AHEAD = 2

/** Events that always stay in memory: while the database is away, it is they that find out when it is back. */
const SCOUTS = 1

/** How often it is looked whether events lie in the spool, or wait in memory, that no event of ours moves on, in ms. */
const TEND_EVERY_MS = 5000

/**
 * Moves events between the queue and the spool.
 *
 * Out: in `always` mode every async event before it may be sent; in both modes the oldest async events when more than
 * half of the queue's bounds is held, all but the newest while the database is away, and everything at the end. Back: the
 * oldest first, when the database answers and fewer events wait than two batches have. An event that came from the spool, or
 * went there, carries its key, and its entry leaves the disk only when its fate is known.
 */
export class Spooler implements Overflow {
  readonly #spool: Spool
  readonly #mode: SpoolMode
  readonly #queue: AuditQueue
  readonly #fates: Fates
  readonly #writer: Writer
  readonly #batchRows: number
  readonly #tending: NodeJS.Timeout
  /** `always`: accepted, and not on disk yet. */
  #arrivals: Entry[] = []
  /** `always`: denials whose callers were refused, and that are not on disk yet. They keep their places elsewhere. */
  #denials: Entry[] = []
  #appending: Promise<void> | undefined
  #fetching: Promise<void> | undefined
  #isStopped = false
  #isEnding = false
  #refusals = 0
  #refusedUntil = 0
  #removals: SpoolKey[] = []
  /** Read, and without a place in memory. They are put back before anything else is read. */
  #unplaced: SpoolKey[] = []

  /**
   * @param batchRows how many events make a batch
   */
  constructor(
    spool: Spool,
    mode: SpoolMode,
    queue: AuditQueue,
    fates: Fates,
    writer: Writer,
    batchRows: number,
  ) {
    this.#spool = spool
    this.#mode = mode
    this.#queue = queue
    this.#fates = fates
    this.#writer = writer
    this.#batchRows = batchRows
    this.#tending = setInterval(() => this.#tend(), TEND_EVERY_MS).unref()
    this.refill()
  }

  get status() {
    return this.#spool.status
  }

  arrived(entry: Entry): void {
    if (this.#takesFirst(entry)) this.#arrivals.push(entry)
    else this.#queue.enqueue(entry)
    this.#appendSoon()
  }

  /**
   * A denial whose caller was refused goes on as an async event: in `always` mode it is on disk, too, from now on. It
   * may be on its way to the database meanwhile, and nothing changes about that.
   */
  keepDenial(entry: Entry): void {
    if (this.#mode !== 'always' || this.#isStopped) return
    this.#denials.push(entry)
    this.#appendSoon()
  }

  /** Brings spooled events back while the database keeps up; while it is away a scout, if memory has none. */
  refill(): void {
    const batchRows = this.#batchRows
    const isAway = this.#isAway
    if (this.#isEnding || this.#fetching !== undefined || this.#spool.status.entries === 0) return
    if (
      isAway
        ? this.#queue.held > 0
        : this.#queue.waiting >= batchRows * BATCHES_AHEAD || this.#queue.isCrowded
    )
      return
    this.#fetching = this.#fetch(isAway ? SCOUTS : batchRows).finally(() => {
      this.#fetching = undefined
    })
  }

  /** The event's row is stored: its entry may go. */
  forget(entry: Entry): void {
    if (entry.spoolKey === undefined) return
    this.#removals.push(entry.spoolKey)
    if (this.#removals.length === 1) setImmediate(() => void this.#flushRemovals())
  }

  async quarantine(entry: Entry, reason: string): Promise<boolean> {
    try {
      const key = entry.spoolKey ?? (await this.#spool.append([entry.event]))[0]
      if (key === undefined) return false
      await this.#spool.quarantine(key, reason)
      return true
    } catch (error) {
      this.#say('an event could not be quarantined', error)
      return false
    }
  }

  async keep(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const unkept: Entry[] = []
    const fresh = entries.filter(({ spoolKey }) => spoolKey === undefined)
    for (let at = 0; at < fresh.length; at += APPEND_ROWS) {
      const chunk = fresh.slice(at, at + APPEND_ROWS)
      if (!(await this.#append(chunk))) unkept.push(...chunk)
    }
    return unkept
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#tending)
  }

  async settled(): Promise<void> {
    this.#isEnding = true
    while (this.#appending !== undefined) await this.#appending
    await this.#fetching
  }

  async close(): Promise<void> {
    await this.settled()
    await this.#flushRemovals()
    await this.#spool.close()
  }

  /** Now and then: what lies on disk comes back, or what waits in vain goes there. */
  #tend(): void {
    this.refill()
    this.#appendSoon()
  }

  /** Whether the database did not take the last batch. */
  get #isAway(): boolean {
    return this.#writer.fault() !== undefined
  }

  /** Whether a new event goes to disk before it goes into the queue. */
  #takesFirst(entry: Entry): boolean {
    return this.#mode === 'always' && entry.lane === 'async' && performance.now() >= this.#refusedUntil
  }

  #appendSoon(): void {
    if (this.#appending !== undefined) return
    if (this.#arrivals.length === 0 && this.#denials.length === 0 && this.#surplus === 0) return
    this.#appending = this.#appendAll()
      // A mistake of ours: those it was about are still without a fate, and given one at the end.
      .catch((error: unknown) => this.#say('events went astray', error))
      .finally(() => {
        this.#appending = undefined
        this.#appendSoon()
      })
  }

  /** How many of those that wait should be on disk only. */
  get #surplus(): number {
    if (!this.#queue.hasAsync || performance.now() < this.#refusedUntil) return 0
    const { isCrowded, waiting } = this.#queue
    return isCrowded || this.#isAway ? Math.min(APPEND_ROWS, waiting - SCOUTS) : 0
  }

  async #appendAll(): Promise<void> {
    // After the caller's turn: what else it records in this turn shares the fsync.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#arrivals.length > 0 || this.#denials.length > 0 || this.#surplus > 0) {
      const arrived = this.#arrivals.splice(0, APPEND_ROWS)
      await this.#appendDenials()
      if (arrived.length === 0 && this.#surplus === 0) continue
      const chunk = arrived.length > 0 ? arrived : this.#queue.takeAsync(this.#surplus)
      const fresh = chunk.filter(({ spoolKey }) => spoolKey === undefined)
      const kept = fresh.length === 0 || (await this.#append(fresh))
      const isSurplus = arrived.length === 0 || this.#surplus > 0
      if (!kept || !isSurplus || !(await this.#release(chunk))) {
        for (const entry of chunk) this.#queue.enqueue(entry)
      }
      this.#writer.wake()
    }
    // The database may be back since, and have nothing to do.
    this.refill()
  }

  async #appendDenials(): Promise<void> {
    const isOpen = ({ isOver, spoolKey }: Entry): boolean => !isOver && spoolKey === undefined
    const denials = this.#denials.splice(0, APPEND_ROWS).filter(isOpen)
    if (denials.length === 0 || !(await this.#append(denials))) return
    // Stored while it was written to disk: whoever stored it did not know of that.
    for (const entry of denials) if (entry.isOver) this.forget(entry)
  }

  async #append(entries: readonly Entry[]): Promise<boolean> {
    try {
      const keys = await this.#spool.append(entries.map(({ event }) => event))
      entries.forEach((entry, i) => {
        entry.spoolKey = keys[i]
        this.#fates.onDisk(entry)
      })
      this.#refusals = 0
      return true
    } catch (error) {
      this.#refusedUntil = performance.now() + backoffMs(this.#refusals++)
      this.#say(`${entries.length} events could not be spooled`, error)
      return false
    }
  }

  /** The disk has them; memory need not. They come back through {@link refill}. @returns whether they are let go */
  async #release(entries: readonly Entry[]): Promise<boolean> {
    try {
      await this.#spool.putBack(entries.flatMap(({ spoolKey }) => spoolKey ?? []))
    } catch (error) {
      this.#say(`${entries.length} events stay in memory, too`, error)
      this.#refusedUntil = performance.now() + backoffMs(this.#refusals++)
      return false
    }
    for (const entry of entries) this.#fates.spooled(entry)
    return true
  }

  async #fetch(limit: number): Promise<void> {
    let fetched = 0
    try {
      await this.#putBackUnplaced()
      while (fetched < limit) {
        const read = await this.#spool.next(Math.min(FETCH_ROWS, limit - fetched))
        if (read.length === 0) break
        fetched += read.length
        this.#admit(read)
        await this.#putBackUnplaced()
      }
    } catch (error) {
      this.#say('spooled events could not be read', error)
    }
    if (fetched === 0) return
    this.#writer.wake()
    // The next ones are read while these are being written.
    setImmediate(() => this.refill())
  }

  #admit(read: readonly SpooledEvent[]): void {
    for (const { key, event } of read) {
      const entry = entryOf(event)
      entry.spoolKey = key
      if (this.#queue.reserve(entry)) {
        this.#fates.returned(entry)
        this.#queue.enqueue(entry)
      } else {
        this.#unplaced.push(key)
      }
    }
  }

  async #putBackUnplaced(): Promise<void> {
    if (this.#unplaced.length === 0) return
    await this.#spool.putBack(this.#unplaced)
    this.#unplaced = []
  }

  async #flushRemovals(): Promise<void> {
    const keys = this.#removals
    this.#removals = []
    if (keys.length === 0) return
    try {
      await this.#spool.remove(keys)
    } catch (error) {
      // They are sent once more by whoever reads them next, and found to be stored.
      this.#say(`${keys.length} stored events could not be taken off the spool`, error)
    }
  }

  #say(what: string, error: unknown): void {
    const why = error instanceof SpoolRefusal ? `${error.reason}: ${error.message}` : String(error)
    diag.error(`otel-audit: spool: ${what}: ${why}`)
  }
}

function entryOf(event: AuditEvent): Entry {
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(event)
  return new Entry(ticket, { isReplay: true })
}
