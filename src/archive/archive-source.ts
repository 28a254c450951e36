import type { BlockColumns } from '../chain/block-columns.js'
import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import type { ReadRow } from '../postgres/read/copied-event.js'
import type { ChainStart } from '../verify/chain-start.js'
import type { CheckedRow, IdRange, RowBlock, Selection, StoredLeaf, TrailSource } from '../verify/source.js'
import type { ArchiveStore } from './archive-store.js'
import { idsOf, startsIn } from './archives.js'
import { checkedRowsOf } from './checked-line.js'
import { blockOfLine, leafOfLine, rowBlockOfLine } from './block-line.js'
import type { PartInfo, ReadManifest } from './manifest.js'
import { merged, type SortedList } from './merge.js'
import { type FileInfo, linesOf, readTexts } from './ndjson-file.js'
import { rowOfLine } from './row-line.js'

/** Archives as a part of a trail that can be verified: from their files, and nothing else. */
export class ArchiveSource implements TrailSource {
  readonly #store: ArchiveStore
  readonly #archives: readonly ReadManifest[]
  /** Members that were read and are those of the manifest, by file. */
  readonly #read = new Map<FileInfo, number>()

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

  /** Every member of the file was read, and held against the manifest. */
  wasRead(file: FileInfo): boolean {
    return (this.#read.get(file) ?? 0) >= file.members.length
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
    return this.#rows(range, selection, checkedRowsOf)
  }

  /** {@link rows} with what they say. */
  wholeRows(range: IdRange, selection: Selection): AsyncIterable<readonly ReadRow[]> {
    return this.#rows(range, selection, (text) => linesOf(text).map(rowOfLine))
  }

  #rows<Row extends CheckedRow>(
    range: IdRange,
    { chain }: Selection,
    read: (text: Buffer) => readonly Row[],
  ): AsyncIterable<readonly Row[]> {
    const parts = this.#archives.flatMap(({ folder, manifest }) =>
      manifest.parts.filter((part) => overlaps(part, range)).map((part) => ({ folder, part })),
    )
    const lists = parts.map(({ folder, part }): SortedList<Row> => {
      const isAsked = (row: Row): boolean =>
        row.auditId >= range.first &&
        row.auditId <= range.last &&
        (chain === undefined || row.chain === chain)
      return {
        from: { auditId: BigInt(part.first_id) } as Row,
        open: () => mapped(this.#texts(folder, part), (text) => read(text).filter(isAsked)),
      }
    })
    return merged(lists, (a, b) => (a.auditId < b.auditId ? -1 : a.auditId > b.auditId ? 1 : 0))
  }

  /** Where the chains began when the place did. */
  chainStarts(): AsyncIterable<readonly ChainStart[]> {
    return startsIn(this.#store, this.#archives)
  }

  async *leaves(): AsyncGenerator<readonly StoredLeaf[], void> {
    for (const { folder, manifest } of this.#archives) {
      yield* mapped(this.#texts(folder, manifest.leaves), (text) => linesOf(text).map(leafOfLine))
    }
  }

  #list<T>(
    folder: string,
    file: FileInfo,
    read: (line: string) => T,
    isAsked: (item: T) => boolean,
  ): SortedList<T> {
    return {
      from: undefined,
      open: () => mapped(this.#texts(folder, file), (text) => linesOf(text).map(read).filter(isAsked)),
    }
  }

  async *#texts(folder: string, file: FileInfo): AsyncGenerator<Buffer, void> {
    let members = 0
    for await (const text of readTexts(this.#store, folder, file)) {
      this.#read.set(file, Math.max(this.#read.get(file) ?? 0, ++members))
      yield text
    }
  }
}

async function* mapped<T, U>(items: AsyncIterable<T>, change: (item: T) => U): AsyncGenerator<U, void> {
  for await (const item of items) yield change(item)
}

function overlaps({ first_id, last_id }: PartInfo, { first, last }: IdRange): boolean {
  return BigInt(first_id) <= last && BigInt(last_id) >= first
}

function byChain(a: BlockColumns, b: BlockColumns): number {
  if (a.chainId !== b.chainId) return a.chainId < b.chainId ? -1 : 1
  return a.blockNo < b.blockNo ? -1 : a.blockNo > b.blockNo ? 1 : 0
}
