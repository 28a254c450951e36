import type { Connection } from '../postgres/connection.js'
import { archivesOf } from './archives.js'
import { lateRows } from './late-rows.js'
import type { ReadManifest } from './manifest.js'
import type { PartitionReader } from './partition-reader.js'
import { countRows, standingPartitions } from './partition-table.js'
import type { ArchiveContext, Place } from './place.js'
import { markArchived } from './prove.js'
import { readRetirements } from './retirement-state.js'

/**
 * Archives what has come to the partitions that a place has, as a further archive of each. Whoever adds blocks to a place does this
 * first, from the same snapshot: among those blocks are the ones of such rows, and without its rows a block cannot be proven.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when a row is not what was archived, or is gone
 */
export async function addLate(
  context: ArchiveContext,
  session: Connection,
  place: Place,
  reader: PartitionReader,
): Promise<void> {
  const { schema, store, onLine } = context
  for (const partition of await session.run((client) => standingPartitions(client, schema))) {
    const before = archivesOf(partition, place.archives)
    if (before.length === 0) continue
    const rows = await reader.ask((client) => countRows(client, schema, partition.name))
    if (rows === rowsOf(before)) continue
    const late = await place.add(partition, reader, lateRows(reader.rows(partition), store, before))
    const came = late.manifest.rows
    onLine(`${partition.name}: ${came} rows had come since it was archived; they are in ${late.folder}`)
  }
}

/** The archives that the trail does not name: nothing has proven them yet, whichever run has written them. */
export async function unnamed(
  session: Connection,
  schema: string,
  archives: readonly ReadManifest[],
): Promise<readonly ReadManifest[]> {
  const known = await session.run((client) => readRetirements(client, schema))
  const named = new Set(known.flatMap(({ manifests }) => manifests))
  return archives.filter(({ hash }) => !named.has(hash))
}

/** They are proven: the trail names them from here on, with the others of their partitions in that place. */
export async function markLate(
  context: Pick<ArchiveContext, 'schema' | 'store'>,
  session: Connection,
  archives: readonly ReadManifest[],
  proven: readonly ReadManifest[],
): Promise<void> {
  for (const { manifest, hash } of proven) {
    const known = await session.run((client) => readRetirements(client, context.schema))
    const one = known.find(({ to, place }) => String(to) === manifest.to_id && place === context.store.place)
    if (one === undefined) continue
    const marked = { ...one, manifests: [...one.manifests, hash], rows: one.rows + manifest.rows }
    await markArchived(context, session, marked, archives)
  }
}

export function rowsOf(archives: readonly ReadManifest[]): number {
  return archives.reduce((sum, { manifest }) => sum + manifest.rows, 0)
}
