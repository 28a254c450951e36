import { invariant } from '../../host/invariant.js'
import { errorText } from '../../host/error-text.js'
import type { SpoolEnvironment } from './environment.js'
import { openRecord } from '../record.js'
import type { SpoolKey, SpoolStatus } from '../spool.js'

/** An entry as it goes from the worker to the process: the bytes of the event, as they were appended. */
export interface HandedOutEntry {
  readonly key: SpoolKey
  readonly event: Uint8Array
}

/** How far one environment has been handed out. */
interface EnvironmentCursor {
  readonly environment: SpoolEnvironment
  /** All entries below this number are handed out, or gone. */
  next: number
  /** Numbers of the entries that are handed out: each is held by exactly one key. */
  readonly held: Set<number>
  /** Its entries stay on disk for the next process: they could not be read. */
  unreadable: boolean
}

/** Where a handed-out entry is. */
interface Place {
  readonly cursor: EnvironmentCursor
  readonly number: number
}

/**
 * The environments of one process as one spool: its own, into which it appends, and those it took over, which are
 * handed out first. An entry is handed out to one key at a time, until it is put back, removed or quarantined. Of an
 * entry on disk nothing is kept in memory but its number while it is handed out; those are as many as the queue holds.
 */
export class HandOut {
  readonly #maxBytes: number
  readonly #own: EnvironmentCursor
  /** In the order of their names, which is that in which the processes started that filled them. */
  #takenOver: EnvironmentCursor[] = []
  readonly #places = new Map<SpoolKey, Place>()
  #lastKey = 0
  #faults: string[] = []

  constructor(own: SpoolEnvironment, maxBytes: number) {
    this.#own = cursorOf(own)
    this.#maxBytes = maxBytes
  }

  get status(): SpoolStatus {
    const status = { entries: 0, bytes: 0, quarantined: 0 }
    for (const { environment } of this.#cursors) {
      status.entries += environment.entries
      status.bytes += environment.bytes
      status.quarantined += environment.quarantined
    }
    return status
  }

  /** Adds the environment of a dead process; its entries come before those of younger ones. */
  takeOver(environment: SpoolEnvironment): void {
    const isNew = this.#cursors.every((cursor) => cursor.environment.path !== environment.path)
    invariant(
      isNew,
      'an environment is opened once: a second cursor would hand its entries out a second time',
    )
    const cursors = [...this.#takenOver, cursorOf(environment)]
    this.#takenOver = cursors.sort((a, b) => (a.environment.path < b.environment.path ? -1 : 1))
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
  next(limit: number): HandedOutEntry[] {
    const out: HandedOutEntry[] = []
    for (const cursor of this.#cursors) {
      if (out.length >= limit) break
      if (cursor.unreadable) continue
      const damaged = new Map<number, string>()
      try {
        this.#read(cursor, limit, out, damaged)
      } catch (error) {
        cursor.unreadable = true
        this.#faults.push(
          `${cursor.environment.path} cannot be read any further, and waits for the next start: ${errorText(error)}`,
        )
      }
      for (const [number, reason] of damaged) this.#setAside(cursor, number, reason)
    }
    return out
  }

  putBack(keys: readonly SpoolKey[]): void {
    for (const key of keys) {
      const place = this.#places.get(key)
      if (place === undefined) continue
      this.#release(key)
      place.cursor.next = Math.min(place.cursor.next, place.number)
    }
  }

  /** @returns environments that have nothing left in them; the caller closes them */
  remove(keys: readonly SpoolKey[]): SpoolEnvironment[] {
    const byCursor = new Map<EnvironmentCursor, { readonly key: SpoolKey; readonly number: number }[]>()
    for (const key of new Set(keys)) {
      const place = this.#places.get(key)
      if (place === undefined) continue
      const { cursor, number } = place
      const held = byCursor.get(cursor)
      if (held === undefined) byCursor.set(cursor, [{ key, number }])
      else held.push({ key, number })
    }
    for (const [{ environment }, held] of byCursor) {
      environment.remove(held.map(({ number }) => number))
      for (const { key } of held) this.#release(key)
    }
    return this.#emptied()
  }

  quarantine(key: SpoolKey, reason: string): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    place.cursor.environment.quarantine(place.number, reason)
    this.#release(key)
  }

  environments(): readonly SpoolEnvironment[] {
    return this.#cursors.map(({ environment }) => environment)
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

  get #cursors(): readonly EnvironmentCursor[] {
    return [...this.#takenOver, this.#own]
  }

  #read(cursor: EnvironmentCursor, limit: number, out: HandedOutEntry[], damaged: Map<number, string>): void {
    for (const { number, bytes } of cursor.environment.from(cursor.next)) {
      if (out.length >= limit) return
      cursor.next = number + 1
      if (cursor.held.has(number)) continue
      let event: Uint8Array
      try {
        event = openRecord(bytes)
      } catch (error) {
        damaged.set(number, errorText(error))
        continue
      }
      out.push({ key: this.#handOut(cursor, number), event })
    }
  }

  #setAside({ environment }: EnvironmentCursor, number: number, reason: string): void {
    try {
      environment.quarantine(number, reason)
      this.#faults.push(`a damaged entry was quarantined: ${reason}`)
    } catch (error) {
      this.#faults.push(`a damaged entry (${reason}) could not be quarantined: ${errorText(error)}`)
    }
  }

  #handOut(cursor: EnvironmentCursor, number: number): SpoolKey {
    invariant(!cursor.held.has(number), 'an entry is handed out to one key at a time')
    const key = ++this.#lastKey
    cursor.held.add(number)
    this.#places.set(key, { cursor, number })
    return key
  }

  #release(key: SpoolKey): void {
    const place = this.#places.get(key)
    invariant(place, 'only a key that holds an entry is released')
    this.#places.delete(key)
    place.cursor.held.delete(place.number)
  }

  #emptied(): SpoolEnvironment[] {
    const empty = this.#takenOver
      .map(({ environment }) => environment)
      .filter((environment) => environment.isEmpty)
    if (empty.length > 0) this.#takenOver = this.#takenOver.filter(({ environment }) => !environment.isEmpty)
    return empty
  }
}

function cursorOf(environment: SpoolEnvironment): EnvironmentCursor {
  return { environment, next: 0, held: new Set(), unreadable: false }
}
