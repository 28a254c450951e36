import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { Snapshot } from '../postgres/read/snapshot.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { IdRange } from '../verify/source.js'
import { ArchiveSource } from './archive-source.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import { chainsOf } from './archives.js'
import { blockLine } from './block-line.js'
import { type KnownStarts, retiredIds } from './known-starts.js'
import type { ReadManifest } from './manifest.js'
import type { ArchiveContext } from './place.js'

/**
 * Where chains begin when they begin after these blocks. The archives have each of those up to there as it is in the trail; one that
 * is gone from the trail already had no row that stays, or somebody has removed it, and is not covered for.
 */
export async function startsAt(
  { databaseUrl, schema, store }: Pick<ArchiveContext, 'databaseUrl' | 'schema' | 'store'>,
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
