import type { ClientBase } from 'pg'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { checkSchema } from '../postgres/schema-version.js'
import { openSession } from '../postgres/session.js'
import { holdsOn } from './holds.js'
import { partitionsBelow, readRetirements, type Retirement } from './retirement-state.js'

/** What became of one partition. */
export interface RetireOutcome {
  readonly partition: string
  readonly outcome: 'retired' | 'held' | 'in the way' | 'not archived' | 'would be retired'
  /** In words. */
  readonly detail: string
}

interface PlanRequest {
  readonly databaseUrl: DatabaseUrl
  readonly schema: string
  readonly withoutArchive: boolean
}

const NOT_ARCHIVED = { state: 'archived', place: null, manifests: [], rows: 0 } as const
export const RUN_ARCHIVE = 'run `otel-audit archive` first, or say --without-archive'

/** What `retire` would do, as things are now. Changes nothing. */
export async function retirePlan(
  { databaseUrl, schema, withoutArchive }: PlanRequest,
  bound: bigint,
): Promise<readonly RetireOutcome[]> {
  const session = await openSession('migrate', {
    databaseUrl,
    applicationName: 'otel-audit retire',
    readOnly: true,
  })
  try {
    return await session.run(async (client) => {
      await checkSchema(client, schema)
      const { begun, fresh } = await candidates(client, schema, bound)
      const outcomes: RetireOutcome[] = []
      const add = (partition: string, outcome: RetireOutcome['outcome'], detail: string): void => {
        outcomes.push({ partition, outcome, detail })
      }
      for (const { name, state } of begun) add(name, 'would be retired', `it is ${state}`)
      for (const one of fresh) {
        const held = await holdsOn(client, schema, one)
        if (held.length > 0) add(one.name, 'held', heldText(held))
        else if (one.place === null && !withoutArchive) add(one.name, 'not archived', RUN_ARCHIVE)
        else add(one.name, 'would be retired', one.place ?? 'without an archive')
      }
      return outcomes
    })
  } finally {
    await session.close()
  }
}

interface Candidates {
  /** By a run that was interrupted. */
  readonly begun: readonly Retirement[]
  /** Attached, archived or not. */
  readonly fresh: readonly Retirement[]
}

export async function candidates(client: ClientBase, schema: string, bound: bigint): Promise<Candidates> {
  const known = await readRetirements(client, schema)
  const byEnd = new Map(known.map((one) => [one.to, one]))
  const begun = known.filter(
    ({ state }) => state === 'retiring' || state === 'detached' || state === 'dropped',
  )
  const attached = await partitionsBelow(client, schema, bound)
  const fresh = attached
    .filter(({ to }) => begun.every((one) => one.to !== to))
    .map((partition) => {
      const one = byEnd.get(partition.to)
      return one?.state === 'archived' ? one : { ...partition, ...NOT_ARCHIVED }
    })
  return { begun, fresh }
}

export function heldText(holds: Awaited<ReturnType<typeof holdsOn>>): string {
  return holds.map(({ id, credential, reason }) => `hold ${id} on ${credential} (${reason})`).join('; ')
}
