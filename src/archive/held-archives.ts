import { AuditError } from '../errors.js'
import { type ArchiveStore, type FileVersion, type Marking } from './archive-store.js'
import { findArchives } from './archives.js'
import { CredentialFilter } from './credential-filter.js'
import type { Hold } from './holds.js'
import { filesOf, type PartInfo, type ReadManifest } from './manifest.js'
import type { Retirement } from './retirement-state.js'

/** What a hold is about. */
type HoldScope = Pick<Hold, 'credential' | 'from' | 'to'>

/** What became of one archive. */
export interface MarkedArchive {
  readonly place: string
  /** Undefined: the whole place could not be read. */
  readonly folder: string | undefined
  readonly isHeld: boolean
  /** Undefined: it could not be marked, and {@link problem} says why. */
  readonly marking: Marking | undefined
  readonly problem: string | undefined
}

export interface HeldRequest {
  readonly retirements: readonly Retirement[]
  /** Whose archives are looked at: a hold that was added, or one that was released. */
  readonly about: readonly HoldScope[]
  /** Those that last. */
  readonly active: readonly HoldScope[]
  readonly storeAt: (place: string) => ArchiveStore
}

/**
 * Marks the archives of retired partitions that may have rows of a hold: as held where one lasts, else as held no longer. It can be run
 * any number of times. A store that fails keeps no other one from being marked.
 */
export async function markArchives({
  retirements,
  about,
  active,
  storeAt,
}: HeldRequest): Promise<readonly MarkedArchive[]> {
  const marked: MarkedArchive[] = []
  const retired = retirements.filter(({ state }) => state === 'dropped' || state === 'retired')
  const places = new Set(retired.flatMap(({ place }) => (place === null ? [] : [place])))
  for (const place of places) {
    const hashes = new Set(retired.filter((one) => one.place === place).flatMap(({ manifests }) => manifests))
    try {
      const store = storeAt(place)
      const { archives } = await findArchives(store)
      for (const archive of archives) {
        if (!hashes.has(archive.hash) || !about.some((scope) => mayHold(scope, archive))) continue
        const isHeld = active.some((scope) => mayHold(scope, archive))
        const { folder } = archive
        marked.push({ place, folder, isHeld, ...(await mark(store, archive, isHeld)) })
      }
    } catch (error) {
      marked.push({ place, folder: undefined, isHeld: true, marking: undefined, problem: reasonOf(error) })
    }
  }
  return marked
}

async function mark(
  store: ArchiveStore,
  { folder, manifest, at = [] }: ReadManifest,
  isHeld: boolean,
): Promise<Pick<MarkedArchive, 'marking' | 'problem'>> {
  const files: FileVersion[] = filesOf(manifest).map(({ name, version_id }) => ({
    file: `${folder}/${name}`,
    version: version_id,
  }))
  try {
    return { marking: await store.mark(folder, [...files, ...at], isHeld), problem: undefined }
  } catch (error) {
    return { marking: undefined, problem: reasonOf(error) }
  }
}

/** @throws what is not an error of a store */
function reasonOf(error: unknown): string {
  if (error instanceof AuditError) return error.reason
  throw error
}

/** By times and filter of its parts: what surely has no such row needs no mark. */
function mayHold(scope: HoldScope, { manifest: { parts } }: ReadManifest): boolean {
  return parts.some((part) => isInTime(scope, part) && isOfCredential(scope, part))
}

function isInTime({ from, to }: HoldScope, { first_time, last_time }: PartInfo): boolean {
  const micros = (time: string): bigint => BigInt(Date.parse(time)) * 1000n
  // Times of holds are read in whole seconds: the last one counts in full.
  return (
    (from === null || BigInt(last_time) >= micros(from)) &&
    (to === null || BigInt(first_time) < micros(to) + 1_000_000n)
  )
}

function isOfCredential({ credential }: HoldScope, { credentials }: PartInfo): boolean {
  // Of how a name begins the filter says nothing.
  return credential.endsWith('*') || CredentialFilter.read(credentials).mayHave(credential)
}
