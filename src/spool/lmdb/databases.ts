import { chmodSync, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Database, RootDatabase } from 'lmdb'
import { checkSpaceForNew, PAGE_BYTES, type PageUse, ReservedPages, writeZeroFile } from './reserved-pages.js'

export type Lmdb = typeof import('lmdb')
type Bytes = Database<Uint8Array, number>

/** Kept entries, by number; and those that were set aside, with the reason in front. */
const LIVE = 'live'
const QUARANTINE = 'quarantine'
/** More than the engine needs for its 126 readers. */
const LOCK_BYTES = 16_384

/** @throws when `lmdb` is not installed */
export function loadLmdb(): Lmdb {
  return createRequire(import.meta.url)('lmdb') as Lmdb
}

/** An environment, open for writing. */
export interface OpenEnvironment {
  readonly root: RootDatabase<Uint8Array, number>
  readonly live: Bytes
  readonly quarantine: Bytes
  readonly reserved: ReservedPages
}

/** Opens an environment for writing, or makes it. */
export function openEnvironment(lmdb: Lmdb, path: string): OpenEnvironment {
  const file = join(path, 'data.mdb')
  const lock = `${file}-lock`
  if (!existsSync(file)) checkSpaceForNew(path)
  // The engine maps it into memory: a hole in it would be filled when that is written, and end the process on a full disk.
  if (!existsSync(lock)) writeZeroFile(lock, LOCK_BYTES)
  const root = openRoot(lmdb, file, false)
  try {
    const live = root.openDB<Uint8Array, number>({ name: LIVE, encoding: 'binary' })
    const quarantine = root.openDB<Uint8Array, number>({ name: QUARANTINE, encoding: 'binary' })
    for (const made of [file, lock]) chmodSync(made, 0o600)
    const reserved = new ReservedPages(file, () => pageUse(root, [live, quarantine]))
    return { root, live, quarantine, reserved }
  } catch (error) {
    void root.close()
    throw error
  }
}

interface TreePages {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

/** What `getStats` returns; its declared type is `{}`. */
interface Stats extends TreePages {
  readonly lastPageNumber: number
  readonly free: TreePages
}

const META_PAGES = 2

function pageUse(root: RootDatabase<Uint8Array, number>, databases: readonly Bytes[]): PageUse {
  const whole = root.getStats() as Stats
  const trees = [whole, whole.free, ...databases.map((database) => database.getStats() as Stats)]
  const used = trees.reduce((sum, tree) => sum + pagesOf(tree), META_PAGES)
  const end = whole.lastPageNumber + 1
  return { end, free: end - used }
}

function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: TreePages): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages
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

/** Reads an environment without changing it; its process may be alive. */
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
