import { AuditError } from '../errors.js'
import type { NoteSigner } from '../chain/note-key.js'
import type { Connection } from '../postgres/connection.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { checkSchema } from '../postgres/schema-version.js'
import { openSession } from '../postgres/session.js'
import { readIdentity } from '../postgres/trail-identity.js'
import { Anchors } from '../verify/anchors.js'
import type { Finding } from '../verify/finding.js'
import type { StoredLeaf } from '../verify/source.js'
import type { Trust } from '../verify/trust.js'
import type { VerifyProgress } from '../verify/verify.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { archivedChains, findArchives, idsOf } from './archives.js'
import { leafOfLine } from './block-line.js'
import { type ReadManifest, whyUnsigned } from './manifest.js'
import { fileProblem, readLines } from './ndjson-file.js'
import { type PartitionRange, PartitionReader } from './partition-reader.js'
import {
  keepLeaves,
  lockRetirement,
  partitionsBelow,
  readRetirements,
  type Retirement,
  writeRetirement,
} from './retirement-state.js'
import { verifyRows } from './verify-archive.js'
import { writeArchive } from './write-archive.js'
import type { RowLine } from './row-line.js'

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

export interface ArchiveResult {
  /** Proven by this run. */
  readonly archived: readonly Retirement[]
  /** That were before. */
  readonly already: number
  /** What verifying has found. With any, nothing was marked as archived, unless they are accepted. */
  readonly findings: number
}

/** What `--dry-run` says. */
export interface ArchivePlan {
  readonly partitions: readonly PartitionRange[]
  readonly already: number
}

/**
 * Archives every partition that lies wholly below an id, and proves it: reads it back from where it was put, and verifies it from
 * its files alone. Killed at whatever moment, it is run again: what is there and not proven yet is proven, what was not finished is
 * written anew.
 *
 * @throws AuditError `AUDIT_ARCHIVE`, `AUDIT_RETENTION`; those of the sessions
 */
export async function archive(context: ArchiveContext, bound: bigint): Promise<ArchiveResult> {
  const { databaseUrl, schema } = context
  const lock = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit archive',
    readOnly: false,
  })
  try {
    await lock.run((client) => checkSchema(client, schema))
    await lockRetirement(lock, schema)
    return await archiveBelow(context, bound)
  } finally {
    await lock.close()
  }
}

/** What {@link archive} would do. */
export async function archivePlan(
  { databaseUrl, schema, store }: Pick<ArchiveContext, 'databaseUrl' | 'schema' | 'store'>,
  bound: bigint,
): Promise<ArchivePlan> {
  const session = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit archive',
    readOnly: true,
  })
  try {
    await session.run((client) => checkSchema(client, schema))
    const hashes = new Set((await findArchives(store)).archives.map(({ hash }) => hash))
    const { todo, already } = await session.run(async (client) =>
      split(await partitionsBelow(client, schema, bound), await readRetirements(client, schema), hashes),
    )
    return { partitions: todo, already }
  } finally {
    await session.close()
  }
}

async function archiveBelow(context: ArchiveContext, bound: bigint): Promise<ArchiveResult> {
  const { databaseUrl, schema, store, onLine } = context
  const session = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit archive',
    readOnly: false,
  })
  try {
    const place = await openPlace(context, session)
    const { todo, already } = await session.run(async (client) =>
      split(
        await partitionsBelow(client, schema, bound),
        await readRetirements(client, schema),
        new Set(place.archives.map(({ hash }) => hash)),
      ),
    )
    const unproven: ReadManifest[] = []
    for (const partition of todo) {
      const there = place.archives.filter(({ manifest }) => isOf(manifest, partition))
      if (there.length > 0) {
        onLine(`${partition.name}: was written before, and is proven now`)
        unproven.push(...there)
        continue
      }
      unproven.push(await place.add(partition, (reader) => reader.rows(partition)))
      onLine(`${partition.name}: ${unproven.at(-1)?.manifest.rows} rows, in ${store.place}`)
    }
    const findings = await prove(context, place.archives, unproven)
    if (findings > 0 && !context.acceptFindings) return { archived: [], already, findings }
    const archived = todo.map((partition) => retirementOf(partition, place.archives, store.place))
    for (const one of archived) await markArchived(context, session, one, place.archives)
    return { archived, already, findings }
  } finally {
    await session.close()
  }
}

function split(
  partitions: readonly PartitionRange[],
  known: readonly Retirement[],
  hashes: ReadonlySet<string>,
): { readonly todo: readonly PartitionRange[]; readonly already: number } {
  const done = new Set(
    known
      .filter(({ manifests }) => manifests.length > 0 && manifests.every((one) => hashes.has(one)))
      .map(({ to }) => to),
  )
  const todo = partitions.filter(({ to }) => !done.has(to))
  return { todo, already: partitions.length - todo.length }
}

function isOf({ from_id, to_id }: ReadManifest['manifest'], { from, to }: PartitionRange): boolean {
  return to_id === String(to) && from_id === (from?.toString() ?? null)
}

function retirementOf(
  partition: PartitionRange,
  archives: readonly ReadManifest[],
  place: string,
): Retirement {
  const its = archives.filter(({ manifest }) => isOf(manifest, partition))
  return {
    ...partition,
    state: 'archived',
    place,
    manifests: its.map(({ hash }) => hash),
    rows: its.reduce((sum, { manifest }) => sum + manifest.rows, 0),
  }
}

/** A place for archives, and how far it has come. */
export interface Place {
  readonly archives: readonly ReadManifest[]
  /** Writes the next archive. */
  add(
    partition: PartitionRange,
    rows: (reader: PartitionReader) => AsyncIterable<readonly RowLine[]>,
  ): Promise<ReadManifest>
}

/**
 * Looks at what is there. What an archive left that was interrupted is removed.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when it is not in order, or of another trail
 */
export async function openPlace(context: ArchiveContext, session: Connection): Promise<Place> {
  const { databaseUrl, schema, store, signer, log, trust, onRows } = context
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const { archives: found, unreadable, unfinished } = await findArchives(store)
  const [bad] = unreadable
  if (bad !== undefined) throw archiveError(`${store.place} is not in order: ${bad.problem}`)
  checkSequence(store, found, trail, [signer.key, ...(trust.retention ?? [])])
  for (const folder of unfinished) await store.discard(folder)
  const archives = [...found]
  const chains = await archivedChains(store, archives)
  return {
    archives,
    async add(partition, rows) {
      checkPartitionName(partition)
      const reader = await PartitionReader.open(databaseUrl, schema)
      try {
        const written = await writeArchive({
          store,
          reader,
          partition,
          rows: rows(reader),
          log,
          trail,
          signer,
          before: archives.at(-1),
          chains,
          onRows,
        })
        archives.push(written)
        return written
      } finally {
        await reader.close()
      }
    },
  }
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

/**
 * Reads archives back, and verifies them from their files alone.
 *
 * @returns how much was found
 * @throws AuditError `AUDIT_ARCHIVE` when a file is not what was written
 */
export async function prove(
  context: ArchiveContext,
  all: readonly ReadManifest[],
  unproven: readonly ReadManifest[],
): Promise<number> {
  const { store, signer, trust, onFinding, onProgress, onLine } = context
  if (unproven.length === 0) return 0
  for (const { folder, manifest } of unproven) {
    const { parts, blocks, row_blocks, leaves, chains } = manifest
    for (const file of [...parts, blocks, row_blocks, leaves, chains]) {
      const problem = await fileProblem(store, folder, file)
      if (problem !== undefined)
        throw archiveError(`${problem}. It was read back, and is not what was written`)
    }
  }
  const ranges = unproven.map(idsOf)
  const first = ranges.reduce(
    (least, range) => (range.first < least ? range.first : least),
    ranges[0]?.first ?? 0n,
  )
  const last = ranges.reduce((most, range) => (range.last > most ? range.last : most), ranges[0]?.last ?? 0n)
  const keys = [signer.key, ...(trust.retention ?? [])]
  let findings = 0
  const report = await verifyRows(store, all, {
    trust: { ...trust, retention: keys },
    anchors: new Anchors(),
    selection: { chain: undefined, ids: { first, last } },
    onFinding: (finding) => {
      findings++
      onFinding(finding)
    },
    onProgress,
  })
  const { proven, unsigned, partly } = report.rows
  onLine(
    `read back and verified from the files alone: ${proven + partly} rows in signed blocks, ${unsigned} without`,
  )
  return findings
}

/** From here on it may be retired: what is left of its rows in blocks that reach over the bound is in the trail. */
export async function markArchived(
  { schema, store }: Pick<ArchiveContext, 'schema' | 'store'>,
  session: Connection,
  retirement: Retirement,
  archives: readonly ReadManifest[],
): Promise<void> {
  await session.run((client) => client.query('begin'))
  try {
    for (const { folder, manifest } of archives.filter((one) => retirement.manifests.includes(one.hash))) {
      for await (const lines of readLines(store, folder, manifest.leaves)) {
        const inside = lines.map(leafOfLine).filter((leaf: StoredLeaf) => leaf.partition === retirement.name)
        if (inside.length > 0) await session.run((client) => keepLeaves(client, schema, inside))
      }
    }
    await session.run((client) => writeRetirement(client, schema, retirement))
    await session.run((client) => client.query('commit'))
  } catch (error) {
    if (!session.isBroken) await session.run((client) => client.query('rollback'))
    throw error
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
