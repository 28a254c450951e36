import { AuditError } from '../errors.js'
import type { NoteSigner } from '../chain/note-key.js'
import type { Connection } from '../postgres/connection.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { readIdentity } from '../postgres/trail-identity.js'
import type { Finding } from '../verify/finding.js'
import type { Trust } from '../verify/trust.js'
import type { VerifyProgress } from '../verify/verify.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { archivedChains, findArchives } from './archives.js'
import { lackingBlocks } from './chain-start-table.js'
import { type ReadManifest, whyUnsigned } from './manifest.js'
import type { PartitionRange, PartitionReader } from './partition-reader.js'
import type { RowLine } from './row-line.js'
import { writeArchive } from './write-archive.js'

export interface ArchiveContext {
  /** Of the owner of the trail. */
  readonly databaseUrl: DatabaseUrl
  readonly schema: string
  readonly store: ArchiveStore
  /** The retention key, called `<log>/retention`. */
  readonly signer: NoteSigner
  /** Its log. */
  readonly log: string
  /** What the proof is held against, besides the key. */
  readonly trust: Trust
  readonly onLine: (line: string) => void
  readonly onRows: (count: number) => void
  readonly onFinding: (finding: Finding) => void
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
  /** Archives of rows that do not verify count as proven to be what the trail has. */
  readonly acceptFindings: boolean
}

/** A place for archives, and how far it has come. */
export interface Place {
  readonly archives: readonly ReadManifest[]
  /** Writes the next archive: these rows of the partition, and what the snapshot has of blocks. */
  add(
    partition: PartitionRange,
    reader: PartitionReader,
    rows: AsyncIterable<readonly RowLine[]>,
  ): Promise<ReadManifest>
}

/**
 * Looks at what is there. What an archive left that was interrupted is removed.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when it is not in order, or of another trail
 */
export async function openPlace(context: ArchiveContext, session: Connection): Promise<Place> {
  const { schema, store, signer, log, trust, onRows } = context
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const { archives: found, unreadable, unfinished } = await findArchives(store)
  const [bad] = unreadable
  if (bad !== undefined) throw archiveError(`${store.place} is not in order: ${bad.problem}`)
  checkSequence(store, found, trail, [signer.key, ...(trust.retention ?? [])])
  for (const folder of unfinished) await store.discard(folder)
  const archives = [...found]
  const chains = await archivedChains(store, archives)
  const lacking = await session.run((client) => lackingBlocks(client, schema, chains))
  if (lacking > 0) throw lacksBlocks(store, lacking)
  return {
    archives,
    async add(partition, reader, rows) {
      checkPartitionName(partition)
      const written = await writeArchive({
        store,
        reader,
        partition,
        rows,
        log,
        trail,
        signer,
        before: archives.at(-1),
        chains,
        onRows,
      })
      archives.push(written)
      return written
    },
  }
}

/** A place that is begun now cannot have the blocks that are gone, and its archives could not be verified. */
function lacksBlocks({ place }: ArchiveStore, chains: number): AuditError {
  return new AuditError('AUDIT_RETENTION', `${place} lacks blocks of ${chains} chains that were retired`, {
    remedy:
      'Archive to the place that has them, which secret_audit_retirement names; or copy its archives first.',
  })
}

function checkSequence(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
  trail: string,
  keys: Trust['retention'] = [],
): void {
  let before: ReadManifest | undefined
  for (const archive of archives) {
    const { folder, manifest } = archive
    const why =
      manifest.trail === trail
        ? whyUnsigned(archive, keys)
        : `it is of trail ${manifest.trail}, and this is trail ${trail}`
    if (why !== undefined) throw archiveError(`${store.place}/${folder}: ${why}`)
    if (manifest.previous !== (before?.hash ?? null)) {
      throw archiveError(
        `${store.place}/${folder} does not follow from the archive before it: one is missing`,
      )
    }
    before = archive
  }
}

/** @throws AuditError `AUDIT_RETENTION` for a name that no folder can have */
function checkPartitionName({ name }: PartitionRange): void {
  if (/^[a-z0-9_]{1,63}$/.test(name)) return
  throw new AuditError(
    'AUDIT_RETENTION',
    `a partition is called ${name}, which cannot be the name of a folder`,
    {
      remedy: 'Rename it: lower-case letters, digits and underscores.',
    },
  )
}
