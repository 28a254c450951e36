import { chmodSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { PAGE_BYTES, Room } from './room.js'

export type Lmdb = typeof import('lmdb')
type Bytes = Database<Uint8Array, number>

/** Kept entries, by number; and those that were set aside, with the reason in front. */
const LIVE = 'live'
const QUARANTINE = 'quarantine'

/** @throws when `lmdb` is not installed */
export function loadLmdb(): Lmdb {
  return createRequire(import.meta.url)('lmdb') as Lmdb
}

/** An environment, open for writing. */
export interface OpenEnvironment {
  readonly root: RootDatabase<Uint8Array, number>
  readonly live: Bytes
  readonly quarantine: Bytes
  readonly room: Room
}

export function openEnvironment(lmdb: Lmdb, path: string): OpenEnvironment {
  const file = join(path, 'data.mdb')
  const root = openRoot(lmdb, file, false)
  try {
    const live = root.openDB<Uint8Array, number>({ name: LIVE, encoding: 'binary' })
    const quarantine = root.openDB<Uint8Array, number>({ name: QUARANTINE, encoding: 'binary' })
    for (const made of [file, `${file}-lock`]) chmodSync(made, 0o600)
    const room = new Room(file, () => (root.getStats() as { lastPageNumber: number }).lastPageNumber)
    return { root, live, quarantine, room }
  } catch (error) {
    void root.close()
    throw error
  }
}

/** Opens a file of the spool as LMDB. */
function openRoot(lmdb: Lmdb, file: string, readOnly: boolean): RootDatabase<Uint8Array, number> {
  return lmdb.open<Uint8Array, number>({
    path: file,
    encoding: 'binary',
    maxDbs: 2,
    readOnly,
    // The commit itself waits for the disk.
    overlappingSync: false,
    permissionsMode: 0o600,
  } as Parameters<Lmdb['open']>[0])
}

/** What {@link readEnvironment} finds. */
export interface EnvironmentContents {
  readonly live: Iterable<Uint8Array>
  /** Reason and entry. */
  readonly quarantine: Iterable<{ readonly reason: string; readonly record: Uint8Array }>
}

/** Reads an environment without changing it; its owner may be alive. */
export async function readEnvironment<T>(
  lmdb: Lmdb,
  path: string,
  read: (contents: EnvironmentContents) => T,
): Promise<T> {
  const root = openRoot(lmdb, join(path, 'data.mdb'), true)
  const open = (name: string): Bytes | undefined =>
    root.openDB<Uint8Array, number>({ name, encoding: 'binary' })
  try {
    return read({ live: values(open(LIVE)), quarantine: parted(values(open(QUARANTINE))) })
  } finally {
    await root.close()
  }
}

/** Goes through the motions of a change, its list of free pages included, and takes it back. */
export async function tryToWrite(lmdb: Lmdb, path: string): Promise<void> {
  const { root, quarantine } = openEnvironment(lmdb, path)
  try {
    quarantine.transactionSync(() => {
      quarantine.putSync(Number.MAX_SAFE_INTEGER, new Uint8Array(16 * PAGE_BYTES))
      return lmdb.ABORT
    })
  } finally {
    await root.close()
  }
}

function* values(database: Bytes | undefined): Generator<Uint8Array> {
  if (database === undefined) return
  for (const { value } of database.getRange()) yield value
}

function* parted(kept: Iterable<Uint8Array>): Generator<{ reason: string; record: Uint8Array }> {
  for (const value of kept) {
    const end = value.indexOf(0x0a)
    yield { reason: Buffer.from(value.subarray(0, end)).toString(), record: value.subarray(end + 1) }
  }
}
