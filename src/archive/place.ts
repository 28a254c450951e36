import { AuditError } from '../errors.js'
import type { NoteSigner } from '../chain/note-key.js'
import { wallClock } from '../host/globals.js'
import type { Connection } from '../postgres/connection.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { readIdentity } from '../postgres/trail-identity.js'
import type { Finding } from '../verify/finding.js'
import type { Trust } from '../verify/trust.js'
import type { VerifyProgress } from '../verify/verify.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { archivedChains, findArchives, startsIn } from './archives.js'
import { readStartTable } from './chain-start-table.js'
import { type ArchiveManifest, type ReadManifest, whyUnsigned } from './manifest.js'
import { type ObjectLock, strongest } from './object-lock.js'
import type { PartitionRange, PartitionReader } from './partition-reader.js'
import type { RowLine } from './row-line.js'
import { type ArchiveSizes, writeArchive } from './write-archive.js'

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
  /** How what is written is locked. Undefined: as the archives of the same partition that are there are. */
  readonly lock?: ObjectLock | undefined
  /** Default: parts of a million rows, in members of 8192. */
  readonly sizes?: ArchiveSizes | undefined
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
  const { schema, store, signer, log, trust, lock, sizes, onRows } = context
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const {
    archives: found,
    unreadable,
    unfinished,
  } = await findArchives(store, [signer.key, ...(trust.retention ?? [])])
  const [bad] = unreadable
  if (bad !== undefined) throw archiveError(`${store.place} is not in order: ${bad.problem}`)
  checkSequence(store, found, trail, [signer.key, ...(trust.retention ?? [])])
  for (const folder of unfinished) await store.discard(folder)
  const archives = [...found]
  const chains = await archivedChains(store, archives)
  if (archives.length > 0) await refuseGap(store, archives, chains, session, schema)
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
        sizes,
        lock: lock ?? strongest(archives.flatMap(({ manifest }) => locksOf(manifest, partition))),
      })
      archives.push(written)
      return written
    },
  }
}

/** A place that was begun before blocks were retired which it does not have cannot go on: its archives could not be verified. */
async function refuseGap(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
  chains: ReadonlyMap<string, bigint>,
  session: Connection,
  schema: string,
): Promise<void> {
  const begun = new Map<string, number>()
  for await (const batch of startsIn(store, archives))
    for (const { chain, block } of batch) begun.set(chain, block)
  const starts = await session.run((client) => readStartTable(client, schema))
  const lacking = starts.filter(
    ({ chain, block }) => Math.max(Number(chains.get(chain) ?? -1n), begun.get(chain) ?? -1) < block,
  )
  if (lacking.length === 0) return
  throw new AuditError(
    'AUDIT_RETENTION',
    `${store.place} lacks blocks of ${lacking.length} chains that were retired since it was begun`,
    {
      remedy:
        'Archive to the place that has them, which secret_audit_retirement names, or begin another one: otel-audit archive --to …',
    },
  )
}

/** What comes to a partition later is kept as long as the rest of it. */
function locksOf({ to_id, lock }: ArchiveManifest, { to }: PartitionRange): readonly ObjectLock[] {
  return lock !== undefined && to_id === String(to) && Date.parse(lock.until) > wallClock() ? [lock] : []
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
    const at = `${store.place}/${folder}`
    if (manifest.trail !== trail)
      throw archiveError(
        `${at}: it is of trail ${manifest.trail}, and this is trail ${trail}`,
        undefined,
        'A place is of one trail: name another directory, or look whether this is the database that you mean.',
      )
    const why = whyUnsigned(archive, keys)
    if (why !== undefined)
      throw archiveError(
        `${at}: ${why}`,
        undefined,
        'Use the retention key that has signed it; or give --trust with a trust file that names that key, where the key was changed on purpose.',
      )
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
