import type { Connection } from '../postgres/connection.js'
import { checkSchema } from '../postgres/schema-version.js'
import { openSession } from '../postgres/session.js'
import { archivesOf, checkThere, findArchives } from './archives.js'
import { addLate, markLate, unnamed } from './late-archives.js'
import type { ReadManifest } from './manifest.js'
import { type PartitionRange, PartitionReader } from './partition-reader.js'
import { type ArchiveContext, openPlace, type Place } from './place.js'
import { markArchived, prove } from './prove.js'
import { lockRetirement, partitionsBelow, readRetirements, type Retirement } from './retirement-state.js'

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
  return alone(context, () => archiveBelow(context, bound))
}

/** Works with the archives of a place that are proven. No other run touches them meanwhile. @throws AuditError as {@link archive} */
export function withProven<T>(
  context: ArchiveContext,
  work: (archives: readonly ReadManifest[]) => Promise<T>,
): Promise<T> {
  return alone(context, async (session) => {
    const { archives } = await openPlace(context, session)
    const known = await session.run((client) => readRetirements(client, context.schema))
    const proven = new Set(known.flatMap(({ manifests }) => manifests))
    return await work(archives.filter(({ hash }) => proven.has(hash)))
  })
}

/** Sees to it that no other archive or retirement runs. @param work with the session whose lock that is */
async function alone<T>(
  { databaseUrl, schema }: ArchiveContext,
  work: (session: Connection) => Promise<T>,
): Promise<T> {
  const lock = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit archive',
    readOnly: false,
  })
  try {
    await lock.run((client) => checkSchema(client, schema))
    await lockRetirement(lock, schema)
    return await work(lock)
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
    const { archives } = await findArchives(store)
    const known = await session.run((client) => readRetirements(client, schema))
    checkThere(store, archives, known)
    const { todo, already } = split(
      await session.run((client) => partitionsBelow(client, schema, bound)),
      known,
      new Set(archives.map(({ hash }) => hash)),
    )
    return { partitions: todo, already }
  } finally {
    await session.close()
  }
}

async function archiveBelow(context: ArchiveContext, bound: bigint): Promise<ArchiveResult> {
  const { databaseUrl, schema, store } = context
  const session = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit archive',
    readOnly: false,
  })
  try {
    const place = await openPlace(context, session)
    const known = await session.run((client) => readRetirements(client, schema))
    checkThere(store, place.archives, known)
    const { todo, already } = split(
      await session.run((client) => partitionsBelow(client, schema, bound)),
      known,
      new Set(place.archives.map(({ hash }) => hash)),
    )
    await writeAll(context, session, place, todo)
    const unproven = await unnamed(session, schema, place.archives)
    const findings = await prove(context, place.archives, unproven)
    if (findings > 0 && !context.acceptFindings) return { archived: [], already, findings }
    await markLate(context, session, place.archives, unproven)
    const archived = todo.map((partition) => retirementOf(partition, place.archives, store.place))
    for (const one of archived) await markArchived(context, session, one, place.archives)
    return { archived, already, findings }
  } finally {
    await session.close()
  }
}

/**
 * From one snapshot, since a block that has rows in several months is archived once: what came to months that the place has, and
 * the months that it does not have.
 */
async function writeAll(
  context: ArchiveContext,
  session: Connection,
  place: Place,
  todo: readonly PartitionRange[],
): Promise<void> {
  const { databaseUrl, schema, store, onLine } = context
  const reader = await PartitionReader.open(databaseUrl, schema)
  try {
    await addLate(context, session, place, reader)
    for (const partition of todo) {
      if (archivesOf(partition, place.archives).length > 0) {
        onLine(`${partition.name}: was written before, and is proven now`)
        continue
      }
      const archived = await place.add(partition, reader, reader.rows(partition))
      onLine(`${partition.name}: ${archived.manifest.rows} rows, in ${store.place}`)
    }
  } finally {
    await reader.close()
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

function retirementOf(
  partition: PartitionRange,
  archives: readonly ReadManifest[],
  place: string,
): Retirement {
  const its = archivesOf(partition, archives)
  return {
    ...partition,
    state: 'archived',
    place,
    manifests: its.map(({ hash }) => hash),
    rows: its.reduce((sum, { manifest }) => sum + manifest.rows, 0),
  }
}
