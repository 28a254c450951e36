import { errorText } from '../../host/error-text.js'
import type { SpoolEnvironment } from './environment.js'
import { openRecord } from '../record.js'
import type { SpoolKey, SpoolStatus } from '../spool.js'

/** An entry as it goes from the worker to the process: the event's JSON, as it was appended. */
export interface HandedOut {
  readonly key: SpoolKey
  readonly json: Uint8Array
}

interface Shelf {
  readonly environment: SpoolEnvironment
  /** All entries below are handed out, or gone. */
  cursor: number
  /** Numbers of the entries that are handed out. */
  readonly held: Set<number>
  /** Its entries stay on disk for the next process: they could not be read. */
  unreadable: boolean
}

/**
 * The environments of one process as one spool: its own, into which it appends, and those it took over, which are
 * handed out first. Nothing is kept in memory of an entry that is on disk, but for those that are in the hands of the
 * process; and these are as many as its queue holds.
 */
export class SpoolDesk {
  readonly #maxBytes: number
  readonly #own: Shelf
  /** In the order of their names, which is that in which the processes started that filled them. */
  #adopted: Shelf[] = []
  readonly #places = new Map<SpoolKey, { readonly shelf: Shelf; readonly number: number }>()
  #lastKey = 0
  #faults: string[] = []

  constructor(own: SpoolEnvironment, maxBytes: number) {
    this.#own = shelfOf(own)
    this.#maxBytes = maxBytes
  }

  get status(): SpoolStatus {
    const status = { entries: 0, bytes: 0, quarantined: 0 }
    for (const { environment } of this.#shelves) {
      status.entries += environment.entries
      status.bytes += environment.bytes
      status.quarantined += environment.quarantined
    }
    return status
  }

  adopt(environment: SpoolEnvironment): void {
    const shelves = [...this.#adopted, shelfOf(environment)]
    this.#adopted = shelves.sort((a, b) => (a.environment.path < b.environment.path ? -1 : 1))
  }

  /** Whether so many more bytes are within the bound. */
  fits(bytes: number): boolean {
    return this.status.bytes + bytes <= this.#maxBytes
  }

  /** Stores all of these, or none; they count as handed out. @returns their keys */
  append(records: readonly Uint8Array[]): SpoolKey[] {
    return this.#own.environment.append(records).map((number) => this.#handOut(this.#own, number))
  }

  /** Stores all of these, or none, and hands none out: they wait like the others. */
  salvage(records: readonly Uint8Array[]): void {
    this.putBack(this.append(records))
  }

  /** The oldest entries that are not handed out. What is damaged is quarantined on the way. */
  next(limit: number): HandedOut[] {
    const out: HandedOut[] = []
    for (const shelf of this.#shelves) {
      if (out.length >= limit) break
      if (shelf.unreadable) continue
      const damaged = new Map<number, string>()
      try {
        this.#read(shelf, limit, out, damaged)
      } catch (error) {
        shelf.unreadable = true
        this.#faults.push(
          `${shelf.environment.path} cannot be read on, and waits for the next start: ${errorText(error)}`,
        )
      }
      for (const [number, reason] of damaged) this.#setAside(shelf, number, reason)
    }
    return out
  }

  putBack(keys: readonly SpoolKey[]): void {
    for (const key of keys) {
      const place = this.#places.get(key)
      if (place === undefined) continue
      this.#letGo(key)
      place.shelf.cursor = Math.min(place.shelf.cursor, place.number)
    }
  }

  /** @returns environments that have nothing left in them; the caller closes them */
  remove(keys: readonly SpoolKey[]): SpoolEnvironment[] {
    const byShelf = new Map<Shelf, SpoolKey[]>()
    for (const key of new Set(keys)) {
      const shelf = this.#places.get(key)?.shelf
      if (shelf === undefined) continue
      const its = byShelf.get(shelf)
      if (its === undefined) byShelf.set(shelf, [key])
      else its.push(key)
    }
    for (const [shelf, its] of byShelf) {
      shelf.environment.remove(its.map((key) => this.#places.get(key)?.number ?? 0))
      for (const key of its) this.#letGo(key)
    }
    return this.#emptied()
  }

  quarantine(key: SpoolKey, reason: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    place.shelf.environment.quarantine(place.number, reason)
    this.#letGo(key)
  }

  environments(): readonly SpoolEnvironment[] {
    return this.#shelves.map(({ environment }) => environment)
  }

  report(fault: string): void {
    this.#faults.push(fault)
  }

  /** What went wrong since the last call, for a person to read. */
  takeFaults(): readonly string[] {
    const faults = this.#faults
    this.#faults = []
    return faults
  }

  get #shelves(): readonly Shelf[] {
    return [...this.#adopted, this.#own]
  }

  #read(shelf: Shelf, limit: number, out: HandedOut[], damaged: Map<number, string>): void {
    for (const { number, bytes } of shelf.environment.from(shelf.cursor)) {
      if (out.length >= limit) return
      shelf.cursor = number + 1
      if (shelf.held.has(number)) continue
      try {
        const json = openRecord(bytes)
        out.push({ key: this.#handOut(shelf, number), json })
      } catch (error) {
        damaged.set(number, errorText(error))
      }
    }
  }

  #setAside(shelf: Shelf, number: number, reason: string): void {
    try {
      shelf.environment.quarantine(number, reason)
      this.#faults.push(`a damaged entry was quarantined: ${reason}`)
    } catch (error) {
      this.#faults.push(`a damaged entry (${reason}) could not be quarantined: ${errorText(error)}`)
    }
  }

  #handOut(shelf: Shelf, number: number): SpoolKey {
    const key = ++this.#lastKey
    shelf.held.add(number)
    this.#places.set(key, { shelf, number })
    return key
  }

  #letGo(key: SpoolKey): void {
    const place = this.#places.get(key)
    this.#places.delete(key)
    place?.shelf.held.delete(place.number)
  }

  #emptied(): SpoolEnvironment[] {
    const isEmpty = ({ environment }: Shelf): boolean =>
      environment.entries === 0 && environment.quarantined === 0
    const empty = this.#adopted.filter(isEmpty).map(({ environment }) => environment)
    if (empty.length > 0) this.#adopted = this.#adopted.filter((shelf) => !isEmpty(shelf))
    return empty
  }
}

function shelfOf(environment: SpoolEnvironment): Shelf {
  return { environment, cursor: 0, held: new Set(), unreadable: false }
}
