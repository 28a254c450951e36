import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import type { IdRange } from '../verify/source.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { type ArchivedChain, chainOfLine, startOfLine } from './block-line.js'
import { MANIFEST, MANIFEST_NOTE, readManifest, type ReadManifest } from './manifest.js'
import { readLines } from './ndjson-file.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { PartitionRange } from './partition-reader.js'

/** The name of a folder: its place in the sequence, and the partition. */
export function folderName(sequence: number, partition: string): string {
  return `${String(sequence).padStart(6, '0')}-${partition.replace(/^secret_audit_/, '')}`
}

const FOLDER = /^(\d{6})-[a-z0-9_]+$/

/** What of one place can be read, and what cannot. */
export interface FoundArchives {
  /** In the order of the sequence. */
  readonly archives: readonly ReadManifest[]
  /** Folders whose manifest cannot be read, or is not the one of its note. */
  readonly unreadable: readonly { readonly folder: string; readonly problem: string }[]
  /** Folders without a note: of archives that were interrupted, or whose note was removed. */
  readonly unfinished: readonly string[]
}

/** Reads the manifests of a place. Nothing of them is believed yet. */
export async function findArchives(store: ArchiveStore): Promise<FoundArchives> {
  const archives: ReadManifest[] = []
  const unreadable: { folder: string; problem: string }[] = []
  const unfinished: string[] = []
  for (const folder of await store.folders()) {
    const number = FOLDER.exec(folder)?.[1]
    if (number === undefined) continue
    if (!(await store.has(`${folder}/${MANIFEST_NOTE}`))) {
      unfinished.push(folder)
      continue
    }
    try {
      const note = await store.read(`${folder}/${MANIFEST_NOTE}`)
      const read = readManifest(folder, await store.read(`${folder}/${MANIFEST}`), note)
      const { sequence, partition } = read.manifest
      if (folder === folderName(sequence, partition)) archives.push(read)
      else unreadable.push({ folder, problem: `it has the archive of ${folderName(sequence, partition)}` })
    } catch (error) {
      if (!(error instanceof AuditError)) throw error
      unreadable.push({ folder, problem: error.reason })
    }
  }
  return { archives, unreadable, unfinished }
}

/** The ids that an archive has the rows of. */
export function idsOf({ manifest: { from_id, to_id } }: ReadManifest): IdRange {
  return { first: from_id === null ? INT8_MIN : BigInt(from_id), last: BigInt(to_id) - 1n }
}

/** Those of one partition, oldest first. */
export function archivesOf(
  { from, to }: PartitionRange,
  archives: readonly ReadManifest[],
): readonly ReadManifest[] {
  return archives.filter(
    ({ manifest: { from_id, to_id } }) => to_id === String(to) && from_id === (from?.toString() ?? null),
  )
}

/** What the trail says of an archive that should be there. */
interface NamedArchive {
  /** The partition. */
  readonly name: string
  readonly place: string | null
  readonly manifests: readonly string[]
}

/**
 * Sees to it that a place has the archives that the trail says are there: a directory that is not mounted looks like one that is new.
 *
 * @throws AuditError `AUDIT_ARCHIVE`
 */
export function checkThere(
  { place }: Pick<ArchiveStore, 'place'>,
  archives: readonly ReadManifest[],
  named: readonly NamedArchive[],
): void {
  const hashes = new Set(archives.map(({ hash }) => hash))
  for (const one of named) {
    const missing = one.place === place ? one.manifests.find((hash) => !hashes.has(hash)) : undefined
    if (missing === undefined) continue
    const what =
      archives.length === 0
        ? `${place} has no archive, and the trail says that ${one.name} is there`
        : `${place}: the archive of ${one.name} with the manifest ${missing} is not there`
    throw archiveError(
      what,
      undefined,
      'Is it mounted, and the whole of it? Bring back what was moved or removed. Nothing was written or removed; archives can also begin anew, in another place.',
    )
  }
}

/** Where chains began when the place did: their blocks up to there are in another one, or nowhere any more. */
export async function* startsIn(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
): AsyncGenerator<readonly ChainStart[], void> {
  for (const { folder, manifest } of archives) {
    if (manifest.starts === undefined) continue
    for await (const lines of readLines(store, folder, manifest.starts)) yield lines.map(startOfLine)
  }
}

/** The last block of each chain that is archived, of all archives together. */
export async function archivedChains(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
): Promise<Map<string, bigint>> {
  const last = new Map<string, bigint>()
  for (const archive of archives) {
    for await (const { chain, lastBlock } of chainsOf(store, archive)) {
      const known = last.get(chain)
      if (known === undefined || known < lastBlock) last.set(chain, lastBlock)
    }
  }
  return last
}

/** How far the blocks of the chains are archived that an archive has blocks of. */
export async function* chainsOf(
  store: ArchiveStore,
  { folder, manifest }: ReadManifest,
): AsyncGenerator<ArchivedChain, void> {
  for await (const lines of readLines(store, folder, manifest.chains)) {
    for (const line of lines) yield chainOfLine(line)
  }
}
