import type { IdRange } from '../verify/source.js'
import type { Trust } from '../verify/trust.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { findArchives, idsOf } from './archives.js'
import { type ReadManifest, whyUnsigned } from './manifest.js'

/** The archives of one place, as they may be read: one at least, in the order of the sequence. */
export interface OpenArchives {
  readonly store: ArchiveStore
  readonly archives: readonly ReadManifest[]
  /** From the first to the last id of the partitions that are archived. */
  readonly ids: IdRange
}

/**
 * Looks at what is there before it is read.
 *
 * @param trust with retention keys, all manifests must be signed by one of them
 * @throws AuditError `AUDIT_ARCHIVE` when there is no archive, one is missing, or one is not of this trust
 */
export async function openArchives(store: ArchiveStore, trust: Trust): Promise<OpenArchives> {
  const { archives, unreadable } = await findArchives(store, trust.retention)
  const [bad] = unreadable
  if (bad !== undefined) throw archiveError(`${store.place}: ${bad.problem}`)
  if (archives.length === 0) throw archiveError(`there is no archive in ${store.place}`)
  const { retention = [], trails = [] } = trust
  let before: ReadManifest | undefined
  for (const archive of archives) {
    const { folder, manifest } = archive
    const why = retention.length === 0 ? undefined : whyUnsigned(archive, retention)
    if (why !== undefined) throw archiveError(`${store.place}/${folder}: ${why}`)
    if (trails.length > 0 && !trails.includes(manifest.trail))
      throw archiveError(`${store.place}/${folder} is of trail ${manifest.trail}`)
    if (manifest.previous !== (before?.hash ?? null))
      throw archiveError(
        `${store.place}/${folder} does not follow from the archive before it: one is missing`,
      )
    before = archive
  }
  const ids = archives.map(idsOf).reduce((all, { first, last }) => ({
    first: first < all.first ? first : all.first,
    last: last > all.last ? last : all.last,
  }))
  return { store, archives, ids }
}
