import type { ClientBase } from 'pg'
import { wallClock } from '../host/globals.js'
import type { Connection } from '../postgres/connection.js'
import { readSql, renderSql } from '../postgres/sql-text.js'
import { readIdentity } from '../postgres/trail-identity.js'
import { type ChainStart, type SignedStarts, signStarts, startsSum } from '../verify/chain-start.js'
import { archivedChains } from './archives.js'
import { chainsToShorten, shorten, writeStarts } from './chain-start-table.js'
import { type KnownStarts, knownStarts, retiredIds } from './known-starts.js'
import type { ReadManifest } from './manifest.js'
import type { ArchiveContext } from './place.js'
import { startsAt } from './start-walk.js'

export interface RetireBlocksContext
  extends Pick<ArchiveContext, 'databaseUrl' | 'schema' | 'store' | 'signer' | 'log' | 'trust' | 'onLine'> {
  /** Writes the row of the trail about where chains begin, with its signed note, and waits for the commit. */
  readonly recordStarts: (starts: SignedStarts, note: string) => Promise<void>
}

/** Blocks that go in one statement. */
const AT_ONCE = 20_000

/**
 * Removes the blocks that were needed for retired rows alone: of each chain what comes before the first block that still has a row,
 * but for genesis, rotations, and the two newest. Each of them is compared with the archive, as it is read there now. Before any is
 * gone, a signed row of the trail says where the chains begin.
 *
 * It may be killed at whatever moment, and is run again.
 *
 * @param archives of the place that has what was retired. Asked for where there is something to remove
 * @throws AuditError `AUDIT_ARCHIVE` when a block is not what was archived; `AUDIT_RETENTION` when where chains begin was altered;
 *   those of the sessions and of `recordStarts`
 */
export async function retireBlocks(
  context: RetireBlocksContext,
  session: Connection,
  archives: () => Promise<readonly ReadManifest[]>,
): Promise<void> {
  const { schema, onLine } = context
  const known = await knownStarts(context, session)
  const ends = await endsOf(session, schema, known)
  if (ends.size > 0) await advance(context, session, await archives(), known, ends)
  const chains = await session.run((client) => chainsToShorten(client, schema))
  let blocks = 0
  for (const chain of chains) {
    for (let gone = AT_ONCE; gone === AT_ONCE; blocks += gone)
      gone = await inTransaction(session, (client) => shorten(client, schema, chain, AT_ONCE))
  }
  if (blocks > 0) onLine(`${blocks} blocks of ${chains.length} chains are retired with their rows`)
}

/** The row of the trail first: until it is there, chains begin where they did. */
async function advance(
  context: RetireBlocksContext,
  session: Connection,
  archives: readonly ReadManifest[],
  known: KnownStarts,
  ends: ReadonlyMap<string, number>,
): Promise<void> {
  const before = new Map(known.starts.map((start) => [start.chain, start]))
  const archived = await archivedChains(context.store, archives)
  const within = [...ends].flatMap(([chain, last]): [string, number][] => {
    const end = Math.min(last, Number(archived.get(chain) ?? 0))
    return end > (before.get(chain)?.block ?? 0) ? [[chain, end]] : []
  })
  if (within.length === 0) return
  const advanced = await startsAt(context, archives, known, new Map(within))
  const all = new Map([...known.starts, ...advanced].map((start) => [start.chain, start]))
  await say(context, session, archives, sorted([...all.values()]))
  await session.run((client) => writeStarts(client, context.schema, advanced))
}

/** By chain: the last block that nothing in the trail needs, where that is later than it begins now. */
async function endsOf(
  session: Connection,
  schema: string,
  { starts, retention }: KnownStarts,
): Promise<ReadonlyMap<string, number>> {
  const before = new Map(starts.map(({ chain, block }) => [chain, block]))
  const retired = retiredIds(retention)
  const text = renderSql(await readSql('./retired-blocks.sql', import.meta.url), schema)
  const values = [
    `{${retired.map(({ first }) => first).join(',')}}`,
    `{${retired.map(({ last }) => last).join(',')}}`,
  ]
  const { rows } = await session.run((client) => client.query<{ chain: string; last: string }>(text, values))
  const ends = rows.map(({ chain, last }) => [chain, Number(last)] as const)
  return new Map(ends.filter(([chain, last]) => last > (before.get(chain) ?? 0)))
}

async function say(
  { schema, log, signer, recordStarts }: RetireBlocksContext,
  session: Connection,
  archives: readonly ReadManifest[],
  starts: readonly ChainStart[],
): Promise<void> {
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const said = {
    log,
    trail,
    chains: starts.length,
    sum: startsSum(starts),
    manifest: archives.at(-1)?.hash ?? '',
    time: Math.floor(wallClock() * 1000),
  }
  await recordStarts(said, signStarts(said, signer))
}

function sorted(starts: readonly ChainStart[]): readonly ChainStart[] {
  return starts.toSorted((a, b) => (a.chain < b.chain ? -1 : 1))
}

async function inTransaction<T>(session: Connection, work: (client: ClientBase) => Promise<T>): Promise<T> {
  await session.run((client) => client.query('begin'))
  try {
    const done = await session.run(work)
    await session.run((client) => client.query('commit'))
    return done
  } catch (error) {
    if (!session.isBroken) await session.run((client) => client.query('rollback'))
    throw error
  }
}
