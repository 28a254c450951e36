import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import type { IdRange } from '../verify/source.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { type ArchivedChain, chainOfLine, startOfLine } from './block-line.js'
import type { VerifierKey } from '../chain/note-key.js'
import { MANIFEST, MANIFEST_NOTE, readManifest, type ReadManifest, whyUnsigned } from './manifest.js'
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

/**
 * Reads the manifests of a place. Nothing of them is believed yet.
 *
 * @param keys of several versions of a manifest, one that these have signed counts
 */
export async function findArchives(
  store: ArchiveStore,
  keys: readonly VerifierKey[] = [],
): Promise<FoundArchives> {
  const archives: ReadManifest[] = []
  const unreadable: { folder: string; problem: string }[] = []
  const unfinished: string[] = []
  for (const folder of await store.folders()) {
    const number = FOLDER.exec(folder)?.[1]
    if (number === undefined) continue
    const notes = await store.versions(`${folder}/${MANIFEST_NOTE}`)
    if (notes.length === 0) {
      unfinished.push(folder)
      continue
    }
    try {
      const read = await readVersions(store, folder, notes, keys)
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

/** Of each file. More are made by somebody who wants the true one not to be found; then who has deleted them finds it. */
const MOST_VERSIONS = 16

/** The newest manifest that fits a note and is signed by one of the keys; else the newest that fits one. */
async function readVersions(
  store: ArchiveStore,
  folder: string,
  notes: readonly (string | undefined)[],
  keys: readonly VerifierKey[],
): Promise<ReadManifest> {
  const [noteFile, manifestFile] = [`${folder}/${MANIFEST_NOTE}`, `${folder}/${MANIFEST}`]
  const manifests = await store.versions(manifestFile)
  let fits: ReadManifest | undefined
  let problem: unknown
  for (const note of notes.slice(0, MOST_VERSIONS)) {
    const noteBytes = await store.read(noteFile, note)
    // Where there is none, reading it says so.
    for (const version of manifests.length === 0 ? [undefined] : manifests.slice(0, MOST_VERSIONS)) {
      try {
        const read = readManifest(folder, await store.read(manifestFile, version), noteBytes)
        const at = [
          { file: manifestFile, version },
          { file: noteFile, version: note },
        ]
        const found = { ...read, at }
        if (keys.length === 0 || whyUnsigned(read, keys) === undefined) return found
        fits ??= found
      } catch (error) {
        if (!(error instanceof AuditError)) throw error
        problem ??= error
      }
    }
  }
  if (fits === undefined) throw problem
  return fits
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
