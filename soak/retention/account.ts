import type { OldMonths } from './old-months.js'

/** Where an event is, by the ids of the rows that have it. */
interface Kept {
  readonly live: readonly Row[]
  readonly archived: readonly Row[]
}

interface Row {
  readonly id: bigint
  /** The id that it had first. */
  readonly original: bigint | undefined
}

/** What the trail has, and what the archives answer to somebody who has their files alone. */
export async function readKept(trail: OldMonths): Promise<Kept> {
  const live = await trail.owner(async (client) => {
    const { rows } = await client.query<{ id: string; original: string | null }>(
      'select audit_id::text as id, original_audit_id::text as original from noetl.secret_audit',
    )
    return rows
  })
  const { stdout } = await trail.offline.expect(
    0,
    'export',
    '--archive',
    trail.archive,
    '--trust',
    trail.trust,
  )
  const archived = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { audit_id: string; original_audit_id: string | null })
  return {
    live: live.map(({ id, original }) => rowOf(id, original)),
    archived: archived.map((row) => rowOf(row.audit_id, row.original_audit_id)),
  }
}

function rowOf(id: string, original: string | null): Row {
  return { id: BigInt(id), original: original === null ? undefined : BigInt(original) }
}

/**
 * Holds what was stored against what is there: each event once, in the trail or in an archive.
 *
 * One is there twice for a reason that is documented: its row was stored when the server went away before it had said so, and
 * its month was retired before the writer sent it again. Then one is in an archive, and the other has the same original id.
 *
 * @returns how many events there are, in words
 * @throws Error naming what is lost, or there once too often
 */
export function account({ live, archived }: Kept, expected: ReadonlySet<bigint>): string {
  const counts = new Map<bigint, { live: number; archived: number }>()
  const count = (rows: readonly Row[], where: 'live' | 'archived'): void => {
    for (const { id, original } of rows) {
      const event = original ?? id
      const known = counts.get(event) ?? { live: 0, archived: 0 }
      known[where]++
      counts.set(event, known)
    }
  }
  count(live, 'live')
  count(archived, 'archived')
  const lost = [...expected].filter((event) => !counts.has(event))
  const again = [...counts].filter(([, where]) => where.live + where.archived > 1)
  const doubled = again.filter(([, where]) => where.live !== 1 || where.archived !== 1)
  if (lost.length > 0) throw new Error(`${lost.length} of ${expected.size} events are lost: ${some(lost)}`)
  if (doubled.length > 0)
    throw new Error(`${doubled.length} rows are there twice: ${some(doubled.map(([id]) => id))}`)
  return `${expected.size} events, ${archived.length} rows in the archives and ${live.length} in the trail; ${again.length} of them in both, sent again after an outage`
}

function some(ids: readonly bigint[]): string {
  return `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ', …' : ''}`
}
