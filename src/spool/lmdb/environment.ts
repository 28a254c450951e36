import { rmSync } from 'node:fs'
import { invariant } from '../../host/invariant.js'
import { type Lmdb, type OpenEnvironment, openEnvironment } from './databases.js'
import type { EnvironmentCounts } from './protocol.js'
import { spooledBytesOfRecord } from '../record.js'
import { OutOfSpace, PAGE_BYTES } from './reserved-pages.js'

/** Pages a transaction writes beside those of its entries: branches, roots, the list of free pages. */
const OVERHEAD_PAGES = 64
/** A mapped page counts as memory of the process until the map is given back. That is done after so many bytes. */
const MAPPED_BYTES = 6 * 1024 * 1024
const LONGEST_REASON = 500

export interface StoredEntry {
  readonly number: number
  readonly bytes: Uint8Array
}

/**
 * One LMDB environment. Synchronous, and to be used in a worker thread only: every change is one transaction, which is
 * on disk (fsync) when the call returns. An asynchronous `put` on a full disk would end the process with a rejection
 * that cannot be caught.
 *
 * `mapSize` is not a bound, and the file never shrinks: what the entries take is counted here.
 */
export class SpoolEnvironment {
  readonly path: string
  readonly #lmdb: Lmdb
  #opened: OpenEnvironment | undefined
  #isClosed = false
  #next = 1
  #entries: number
  #bytes: number
  #quarantined: number
  /** Bytes read and written since it was opened. */
  #touched = 0

  /** @param counts what is in it; a new one is empty */
  constructor(
    lmdb: Lmdb,
    path: string,
    counts: EnvironmentCounts = { entries: 0, bytes: 0, quarantined: 0 },
  ) {
    this.#lmdb = lmdb
    this.path = path
    this.#entries = counts.entries
    this.#bytes = counts.bytes
    this.#quarantined = counts.quarantined
    this.#open()
  }

  get entries(): number {
    return this.#entries
  }

  get bytes(): number {
    return this.#bytes
  }

  get quarantined(): number {
    return this.#quarantined
  }

  get isEmpty(): boolean {
    return this.#entries === 0 && this.#quarantined === 0
  }

  /** @returns their numbers. All are stored, or none. */
  append(records: readonly Uint8Array[]): number[] {
    const { live, reserved } = this.#open()
    const first = this.#next
    const bytes = records.reduce((sum, record) => sum + spooledBytesOfRecord(record.byteLength), 0)
    // A page may be left half empty.
    reserved.forAppend(OVERHEAD_PAGES + Math.ceil((2 * bytes) / PAGE_BYTES))
    live.transactionSync(() => {
      records.forEach((record, i) => live.putSync(first + i, record))
    })
    this.#next += records.length
    this.#entries += records.length
    this.#bytes += bytes
    this.#touched += bytes
    return records.map((_, i) => first + i)
  }

  /** The entries from number `start` on, in their order, read one by one. */
  *from(start: number): Generator<StoredEntry> {
    for (const { key, value } of this.#open().live.getRange({ start })) {
      this.#touched += value.byteLength
      yield { number: key, bytes: value }
    }
  }

  /** All of them in one transaction where the disk has space for it, else in several. */
  remove(numbers: readonly number[]): void {
    try {
      this.#remove(numbers)
    } catch (error) {
      if (!(error instanceof OutOfSpace) || numbers.length === 1) throw error
      const half = numbers.length / 2
      this.remove(numbers.slice(0, half))
      this.remove(numbers.slice(half))
    }
  }

  quarantine(number: number, reason: string): void {
    const { live, quarantine, reserved } = this.#open()
    const record = live.get(number)
    if (record === undefined) return
    const line = reason.replaceAll('\n', ' ').slice(0, LONGEST_REASON)
    reserved.forRemoval(OVERHEAD_PAGES + 2 * Math.ceil(record.byteLength / PAGE_BYTES))
    const kept = Buffer.concat([Buffer.from(`${line}\n`), record])
    live.transactionSync(() => {
      quarantine.putSync(number, kept)
      live.removeSync(number)
    })
    this.#entries--
    this.#quarantined++
  }

  /** Gives mapped memory back when it has become much: unmaps the file, which the next call maps again. */
  async unmapWhenLarge(): Promise<void> {
    if (this.#touched < MAPPED_BYTES) return
    await this.#unmap()
  }

  /** Closes it for good, and removes it when nothing is left in it. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#unmap()
    if (this.isEmpty) rmSync(this.path, { recursive: true, force: true })
  }

  #remove(numbers: readonly number[]): void {
    const { live, reserved } = this.#open()
    let removed = 0
    let bytes = 0
    reserved.forRemoval(OVERHEAD_PAGES + numbers.length)
    live.transactionSync(() => {
      for (const number of numbers) {
        // Shared memory: its `length` is right, its `byteLength` is not.
        const length = live.getBinaryFast(number)?.length
        if (length === undefined) continue
        bytes += spooledBytesOfRecord(length)
        live.removeSync(number)
        removed++
      }
    })
    this.#entries -= removed
    this.#bytes -= bytes
    this.#touched += bytes
  }

  #open(): OpenEnvironment {
    invariant(
      !this.#isClosed,
      'a closed environment stays closed: to open one that was removed would make it again',
    )
    this.#opened ??= openEnvironment(this.#lmdb, this.path)
    return this.#opened
  }

  async #unmap(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    this.#touched = 0
    await opened?.root.close()
  }
}
