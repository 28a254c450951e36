import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'

type Lmdb = typeof import('lmdb')
type Bytes = Database<Uint8Array, number>

/** Kept entries, by number; and those that were set aside, with the reason in front. */
const LIVE = 'live'
const QUARANTINE = 'quarantine'

/** What one entry costs beyond its bytes: key, node header, its share of a page. */
const ENTRY_OVERHEAD = 64

export interface StoredEntry {
  readonly number: number
  readonly bytes: Uint8Array
}

/**
 * One LMDB environment. Synchronous, and to be used in a worker thread only: every change is one transaction, which is
 * on disk (fsync) when the call returns. An asynchronous `put` on a full disk would end the process with a rejection
 * that nobody can catch.
 */
export class SpoolEnvironment {
  readonly path: string
  readonly #root: RootDatabase<Uint8Array, number>
  readonly #live: Bytes
  readonly #quarantine: Bytes
  #next = 1
  /** `mapSize` is no bound, and the file never shrinks: what the entries take is counted here. */
  #bytes = 0
  #entries = 0
  #quarantined = 0

  constructor(lmdb: Lmdb, path: string) {
    this.path = path
    this.#root = lmdb.open<Uint8Array, number>({
      path: join(path, 'data.mdb'),
      maxDbs: 2,
      // The commit itself waits for the disk.
      overlappingSync: false,
      permissionsMode: 0o600,
    } as Parameters<Lmdb['open']>[0]) as RootDatabase<Uint8Array, number>
    this.#live = this.#open(LIVE)
    this.#quarantine = this.#open(QUARANTINE)
    for (const file of ['data.mdb', 'data.mdb-lock']) chmodSync(join(path, file), 0o600)
    this.#recount()
  }

  get bytes(): number {
    return this.#bytes
  }

  get entries(): number {
    return this.#entries
  }

  get quarantined(): number {
    return this.#quarantined
  }

  /** What these would take. */
  static sizeOf(records: readonly Uint8Array[]): number {
    return records.reduce((sum, record) => sum + record.byteLength + ENTRY_OVERHEAD, 0)
  }

  /** @returns their numbers. All are stored, or none. */
  append(records: readonly Uint8Array[]): number[] {
    const first = this.#next
    this.#live.transactionSync(() => {
      records.forEach((record, i) => this.#live.putSync(first + i, record))
    })
    this.#next += records.length
    this.#entries += records.length
    this.#bytes += SpoolEnvironment.sizeOf(records)
    return records.map((_, i) => first + i)
  }

  /** The entries from number `start` on, in their order, read one by one. */
  *from(start: number): Generator<StoredEntry> {
    for (const { key, value } of this.#live.getRange({ start })) {
      yield { number: key, bytes: Uint8Array.from(value) }
    }
  }

  remove(numbers: readonly number[]): void {
    let removed = 0
    let bytes = 0
    this.#live.transactionSync(() => {
      for (const number of numbers) {
        const record = this.#live.get(number)
        if (record === undefined) continue
        this.#live.removeSync(number)
        removed++
        bytes += SpoolEnvironment.sizeOf([record])
      }
    })
    this.#entries -= removed
    this.#bytes -= bytes
  }

  quarantine(number: number, reason: string): void {
    const record = this.#live.get(number)
    if (record === undefined) return
    const kept = Buffer.concat([Buffer.from(`${reason.replaceAll('\n', ' ')}\n`), record])
    this.#live.transactionSync(() => {
      this.#live.removeSync(number)
      this.#quarantine.putSync(number, kept)
    })
    this.#entries--
    this.#quarantined++
    this.#bytes += kept.byteLength - record.byteLength
  }

  /** Closes it, and removes it when nothing is left in it. */
  async close(): Promise<void> {
    const isEmpty = this.#entries === 0 && this.#quarantined === 0
    await this.#root.close()
    if (isEmpty) rmSync(this.path, { recursive: true, force: true })
  }

  #open(name: string): Bytes {
    return this.#root.openDB<Uint8Array, number>({ name, encoding: 'binary', keyEncoding: 'uint32' })
  }

  #recount(): void {
    for (const { key, value } of this.#live.getRange()) {
      this.#entries++
      this.#bytes += SpoolEnvironment.sizeOf([value])
      this.#next = key + 1
    }
    for (const { key, value } of this.#quarantine.getRange()) {
      this.#quarantined++
      this.#bytes += SpoolEnvironment.sizeOf([value])
      this.#next = Math.max(this.#next, key + 1)
    }
  }
}

/** @throws when `lmdb` is not installed */
export function loadLmdb(): Lmdb {
  return createRequire(import.meta.url)('lmdb') as Lmdb
}
