import type { BlockColumns } from '../chain/block-columns.js'
import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import type { ReadRow } from '../postgres/read/copied-event.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { CheckedRow, IdRange, RowBlock, Selection, StoredLeaf, TrailSource } from '../verify/source.js'
import type { ArchiveStore } from './archive-store.js'
import { idsOf, startsIn } from './archives.js'
import { blockOfLine, leafOfLine, rowBlockOfLine } from './block-line.js'
import type { PartInfo, ReadManifest } from './manifest.js'
import { merged, type SortedList } from './merge.js'
import { type FileInfo, readLines } from './ndjson-file.js'
import { rowOfLine } from './row-line.js'

/** Archives as a part of a trail that can be verified: from their files, and nothing else. */
export class ArchiveSource implements TrailSource {
  readonly #store: ArchiveStore
  readonly #archives: readonly ReadManifest[]

  /** @param archives in the order of the sequence */
  constructor(store: ArchiveStore, archives: readonly ReadManifest[]) {
    this.#store = store
    this.#archives = archives
  }

  /** The ids whose rows are somewhere else. */
  get elsewhere(): readonly IdRange[] {
    const covered = this.#archives.map(idsOf).toSorted((a, b) => (a.first < b.first ? -1 : 1))
    const gaps: IdRange[] = []
    let next = INT8_MIN
    for (const { first, last } of covered) {
      if (first > next) gaps.push({ first: next, last: first - 1n })
      if (last >= next) next = last + 1n
    }
    return next > INT8_MAX ? gaps : [...gaps, { first: next, last: INT8_MAX }]
  }

  async alterations(): Promise<readonly []> {
    return []
  }

  blocks({ chain }: Selection): AsyncIterable<readonly BlockColumns[]> {
    const lists = this.#archives.map(({ folder, manifest }) =>
      this.#list(
        folder,
        manifest.blocks,
        blockOfLine,
        (block) => chain === undefined || block.chainId === chain,
      ),
    )
    return merged(lists, byChain)
  }

  rowBlocks({ chain, ids }: Selection): AsyncIterable<readonly RowBlock[]> {
    const isAsked = (block: RowBlock): boolean =>
      (chain === undefined || block.chain === chain) &&
      (ids === undefined || (block.minId <= ids.last && block.maxId >= ids.first))
    const lists = this.#archives.map(({ folder, manifest }) =>
      this.#list(folder, manifest.row_blocks, rowBlockOfLine, isAsked),
    )
    return merged(lists, (a, b) => (a.minId < b.minId ? -1 : a.minId > b.minId ? 1 : 0))
  }

  rows(range: IdRange, selection: Selection): AsyncIterable<readonly CheckedRow[]> {
    return this.wholeRows(range, selection)
  }

  /** {@link rows} with what they say. */
  wholeRows(range: IdRange, { chain }: Selection): AsyncIterable<readonly ReadRow[]> {
    const parts = this.#archives.flatMap(({ folder, manifest }) =>
      manifest.parts.filter((part) => overlaps(part, range)).map((part) => ({ folder, part })),
    )
    const lists = parts.map(({ folder, part }): SortedList<ReadRow> => {
      const isIn = (row: ReadRow): boolean =>
        row.auditId >= range.first &&
        row.auditId <= range.last &&
        (chain === undefined || row.chain === chain)
      const list = this.#list(folder, part, rowOfLine, isIn)
      return { ...list, from: { auditId: BigInt(part.first_id) } as ReadRow }
    })
    return merged(lists, (a, b) => (a.auditId < b.auditId ? -1 : a.auditId > b.auditId ? 1 : 0))
  }

  /** Where the chains began when the place did. */
  chainStarts(): AsyncIterable<readonly ChainStart[]> {
    return startsIn(this.#store, this.#archives)
  }

  async *leaves(): AsyncGenerator<readonly StoredLeaf[], void> {
    for (const { folder, manifest } of this.#archives) {
      for await (const lines of readLines(this.#store, folder, manifest.leaves)) yield lines.map(leafOfLine)
    }
  }

  #list<T>(
    folder: string,
    file: FileInfo,
    read: (line: string) => T,
    isAsked: (item: T) => boolean,
  ): SortedList<T> {
    const store = this.#store
    return {
      from: undefined,
      open: async function* () {
        for await (const lines of readLines(store, folder, file)) yield lines.map(read).filter(isAsked)
      },
    }
  }
}

function overlaps({ first_id, last_id }: PartInfo, { first, last }: IdRange): boolean {
  return BigInt(first_id) <= last && BigInt(last_id) >= first
}

function byChain(a: BlockColumns, b: BlockColumns): number {
  if (a.chainId !== b.chainId) return a.chainId < b.chainId ? -1 : 1
  return a.blockNo < b.blockNo ? -1 : a.blockNo > b.blockNo ? 1 : 0
}
