import type { ClientBase } from 'pg'
import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { AuditError } from '../errors.js'
import { INT8_MIN } from '../event/int8.js'
import { wallClock } from '../host/globals.js'
import type { Connection } from '../postgres/connection.js'
import { Snapshot } from '../postgres/read/snapshot.js'
import { readSql, renderSql } from '../postgres/sql-text.js'
import { readIdentity } from '../postgres/trail-identity.js'
import { type ChainStart, type SignedStarts, signStarts, startsSum } from '../verify/chain-start.js'
import { FindingLog } from '../verify/finding.js'
import { IdRanges } from '../verify/id-ranges.js'
import { readRetention, type SignedRetention } from '../verify/retention.js'
import type { IdRange } from '../verify/source.js'
import { ArchiveSource } from './archive-source.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { archivedChains, chainsOf } from './archives.js'
import { blockLine } from './block-line.js'
import { chainsToShorten, shorten, writeStarts } from './chain-start-table.js'
import type { ReadManifest } from './manifest.js'
import type { ArchiveContext } from './place.js'

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

interface KnownStarts {
  readonly starts: readonly ChainStart[]
  readonly retention: SignedRetention
}

/** What was signed before. What was not is no reason to remove anything. */
async function knownStarts(
  { databaseUrl, schema, signer, trust }: RetireBlocksContext,
  session: Connection,
): Promise<KnownStarts> {
  const { trail } = await session.run((client) => readIdentity(client, schema))
  const snapshot = await Snapshot.open({ databaseUrl, schema, trails: [trail] })
  try {
    const keys = [signer.key, ...(trust.retention ?? [])]
    const own = { ...trust, origin: undefined, trails: [trail], retention: keys }
    // A row that does not count is the verifier's to tell.
    const retention = await readRetention(snapshot, own, new FindingLog(() => {}))
    const starts: ChainStart[] = []
    for await (const batch of snapshot.chainStarts()) starts.push(...batch)
    if (starts.length === 0 || retention.starts.has(startsSum(starts))) return { starts, retention }
    throw new AuditError('AUDIT_RETENTION', 'where chains begin is not what the retention key has signed', {
      remedy: 'Verify the trail: the table secret_audit_chain_start was altered. No block was removed.',
    })
  } finally {
    await snapshot.close()
  }
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

/**
 * Where chains begin when they begin after these blocks. The archives have each of those up to there as it is in the trail; one that
 * is gone from the trail already had no row that stays, or somebody has removed it, and is not covered for.
 */
async function startsAt(
  { databaseUrl, schema, store }: RetireBlocksContext,
  archives: readonly ReadManifest[],
  { starts, retention }: KnownStarts,
  ends: ReadonlyMap<string, number>,
): Promise<readonly ChainStart[]> {
  const before = new Map(starts.map((start) => [start.chain, start]))
  const retired = retiredIds(retention)
  const snapshot = await Snapshot.open({ databaseUrl, schema })
  const found: ChainStart[] = []
  const inArchive = new ArchivedBlocks(store, await archivesAfter(store, archives, before))
  try {
    let walk: StartWalk | undefined
    for await (const batch of snapshot.blocks({ chain: undefined, ids: undefined })) {
      for (const block of batch) {
        const { chainId: chain, blockNo } = block
        const end = BigInt(ends.get(chain) ?? -1)
        if (walk?.chain !== chain) walk = new StartWalk(chain, before.get(chain))
        if (walk.at >= end) continue
        if (blockNo <= walk.at) {
          walk.add(block)
          continue
        }
        while (walk.at < end && walk.at + 1n < blockNo)
          walk.add(await inArchive.gone(chain, walk.at + 1n, retired))
        if (blockNo <= end) {
          await inArchive.compare(block)
          walk.add(block)
        }
        if (walk.at === end) found.push(walk.start())
      }
    }
  } finally {
    await snapshot.close()
  }
  return found
}

/** What was signed as retired: not what the table of states says, which is no evidence. */
function retiredIds({ partitions }: SignedRetention): readonly IdRange[] {
  const retired = partitions.filter(({ state }) => state === 'retired')
  return new IdRanges(retired.map(({ from = INT8_MIN, to }) => ({ first: from, last: to - 1n }))).ranges
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

/** Those that have blocks after the known starts. */
async function archivesAfter(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
  before: ReadonlyMap<string, ChainStart>,
): Promise<readonly ReadManifest[]> {
  const after: ReadManifest[] = []
  for (const archive of archives) {
    let isAfter = false
    for await (const { chain, lastBlock } of chainsOf(store, archive))
      isAfter ||= lastBlock > BigInt(before.get(chain)?.block ?? -1)
    if (isAfter) after.push(archive)
  }
  return after
}

/** The blocks of archives, one after the other, chain by chain. */
class ArchivedBlocks {
  readonly #batches: AsyncIterator<readonly BlockColumns[]>
  #batch: readonly BlockColumns[] = []
  #next = 0

  constructor(store: ArchiveStore, archives: readonly ReadManifest[]) {
    const source = new ArchiveSource(store, archives)
    this.#batches = source.blocks({ chain: undefined, ids: undefined })[Symbol.asyncIterator]()
  }

  /**
   * @param block of ascending order
   * @throws AuditError `AUDIT_ARCHIVE` unless it is there, as it is
   */
  async compare(block: BlockColumns): Promise<void> {
    const { chainId, blockNo } = block
    const archived = await this.#find(chainId, blockNo)
    if (archived !== undefined && blockLine(archived) === blockLine(block)) return
    throw archiveError(
      `block ${blockNo} of chain ${chainId} is not what was archived: the trail, or the archive, was altered since. No block was removed`,
    )
  }

  /**
   * A block that the trail has no more.
   *
   * @param blockNo of ascending order
   * @param retired ids of rows that are not there
   * @throws AuditError `AUDIT_ARCHIVE` unless it could have gone with its rows
   */
  async gone(chain: string, blockNo: bigint, retired: readonly IdRange[]): Promise<BlockColumns> {
    const archived = await this.#find(chain, blockNo)
    if (archived !== undefined && mayGo(archived, retired)) return archived
    throw archiveError(
      `block ${blockNo} of chain ${chain} is not in the trail, and was not retired: it was deleted. No block was removed`,
      undefined,
      'Verify the trail. It, and its rows, may be in an archive or a backup: blocks are retired again once it is back.',
    )
  }

  /** Blocks before it are passed. */
  async #find(chain: string, blockNo: bigint): Promise<BlockColumns | undefined> {
    for (;;) {
      const archived = await this.#peek()
      if (archived === undefined || archived.chainId > chain) return undefined
      if (archived.chainId === chain && archived.blockNo >= blockNo)
        return archived.blockNo === blockNo ? archived : undefined
      this.#next++
    }
  }

  async #peek(): Promise<BlockColumns | undefined> {
    while (this.#next >= this.#batch.length) {
      const { done, value } = await this.#batches.next()
      if (done === true) return undefined
      this.#batch = value
      this.#next = 0
    }
    return this.#batch[this.#next]
  }
}

/** Whether a block is one of those that go with their rows. */
function mayGo({ kind, minId, maxId }: BlockColumns, retired: readonly IdRange[]): boolean {
  if (kind === 'genesis' || kind === 'rotate') return false
  if (minId === null || maxId === null) return minId === maxId
  return retired.some(({ first, last }) => minId >= first && maxId <= last)
}

/** The blocks of one chain up to where it begins from now on. */
class StartWalk {
  readonly chain: string
  #keyBlock = 0
  #keyHash: Uint8Array = new Uint8Array()
  #lastId: bigint | undefined
  #at: bigint
  #last: BlockColumns | undefined

  /** @param old where it began before */
  constructor(chain: string, old: ChainStart | undefined) {
    this.chain = chain
    this.#lastId = old?.lastId
    this.#at = BigInt(old?.block ?? -1)
  }

  /** Number of the last block that needs no look any more. */
  get at(): bigint {
    return this.#at
  }

  add(block: BlockColumns): void {
    const { kind, maxId, blockNo } = block
    if (blockNo > this.#at) this.#at = blockNo
    this.#last = block
    if (maxId !== null && (this.#lastId === undefined || maxId > this.#lastId)) this.#lastId = maxId
    if (kind !== 'genesis' && kind !== 'rotate') return
    this.#keyBlock = Number(blockNo)
    this.#keyHash = blockHash(textOfColumns(block))
  }

  start(): ChainStart {
    const block = this.#last
    if (block === undefined || this.#keyHash.length === 0)
      throw archiveError(`chain ${this.chain} has no genesis block`)
    return {
      chain: this.chain,
      block: Number(block.blockNo),
      hash: blockHash(textOfColumns(block)),
      keyBlock: this.#keyBlock,
      keyHash: this.#keyHash,
      rows: Number(block.rowTotal),
      lost: Number(block.lostTotal),
      time: Number(block.blockTime),
      lastId: this.#lastId,
    }
  }
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
