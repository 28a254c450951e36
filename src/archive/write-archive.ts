import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { toHex } from '../chain/hash.js'
import type { NoteSigner } from '../chain/note-key.js'
import { VERSION } from '../version.js'
import type { ArchiveStore } from './archive-store.js'
import { folderName } from './archives.js'
import { blockLine, chainLine, leafLine, rowBlockLine, startLine } from './block-line.js'
import { CredentialFilter } from './credential-filter.js'
import {
  type ArchiveManifest,
  MANIFEST,
  MANIFEST_NOTE,
  manifestText,
  PART_ROWS,
  type PartInfo,
  readManifest,
  type ReadManifest,
  signManifest,
} from './manifest.js'
import { type FileInfo, MEMBER_LINES, NdjsonWriter } from './ndjson-file.js'
import type { PartitionRange, PartitionReader, Straddling } from './partition-reader.js'
import type { RowLine } from './row-line.js'

/** Lines of a member of blocks: many archives are read side by side. */
const BLOCK_LINES = 1024

export interface NewArchive {
  readonly store: ArchiveStore
  readonly reader: PartitionReader
  readonly partition: PartitionRange
  /** The rows that go into it, in ascending order of ids. */
  readonly rows: AsyncIterable<readonly RowLine[]>
  readonly log: string
  readonly trail: string
  readonly signer: NoteSigner
  /** The last one of the place. */
  readonly before: ReadManifest | undefined
  /** The last block of each chain that the place has. Brought up to date. */
  readonly chains: Map<string, bigint>
  readonly onRows: (count: number) => void
}

/** Writes one archive. It is there when this returns, and nothing of it is proven. */
export async function writeArchive(archive: NewArchive): Promise<ReadManifest> {
  const { store, reader, partition, before, chains, signer, log, trail } = archive
  const sequence = (before?.manifest.sequence ?? 0) + 1
  const folder = folderName(sequence, partition.name)
  const straddling = await reader.straddling(partition)
  const rows = await writeRows(archive, folder, straddling)
  const leaves = await writeLeaves(archive, folder, straddling, rows.leaves)
  const known = new Map(chains)
  const blocks = await writeBlocks(archive, folder, known)
  const starts = before === undefined ? await writeStarts(archive, folder) : undefined
  const manifest: ArchiveManifest = {
    format: 'otel-audit/archive/v1',
    version: VERSION,
    log,
    trail,
    sequence,
    previous: before?.hash ?? null,
    created_at: new Date().toISOString(),
    partition: partition.name,
    from_id: partition.from === undefined ? null : String(partition.from),
    to_id: String(partition.to),
    rows: rows.count,
    unsigned: rows.unsigned,
    parts: rows.parts,
    leaves,
    ...blocks,
    ...(starts !== undefined && { starts }),
  }
  const text = manifestText(manifest)
  const note = signManifest(text, signer)
  await put(store, `${folder}/${MANIFEST}`, text)
  await put(store, `${folder}/${MANIFEST_NOTE}`, note)
  return readManifest(folder, Buffer.from(text), Buffer.from(note))
}

async function put(store: ArchiveStore, file: string, text: string): Promise<void> {
  const created = await store.create(file)
  await created.write(Buffer.from(text))
  await created.close()
}

interface WrittenRows {
  readonly parts: readonly PartInfo[]
  readonly count: number
  readonly unsigned: number
  /** Of rows in blocks that have others elsewhere. */
  readonly leaves: readonly string[]
}

async function writeRows(
  { store, rows, partition, onRows }: NewArchive,
  folder: string,
  straddling: readonly Straddling[],
): Promise<WrittenRows> {
  const parts: PartInfo[] = []
  const leaves: string[] = []
  const isStraddling = new Set(straddling.map(({ chain, block }) => `${chain} ${block}`))
  let part: OpenPart | undefined
  let [count, unsigned] = [0, 0]
  for await (const batch of rows) {
    for (const row of batch) {
      part ??= await OpenPart.begin(store, folder, parts.length + 1)
      await part.add(row)
      const { chain, block, index, digest } = row
      if (chain === null) unsigned++
      if (digest?.length === 32 && index !== null && index >= 0 && isStraddling.has(`${chain} ${block}`)) {
        leaves.push(
          leafLine({ chain: chain ?? '', block: Number(block), index, digest, partition: partition.name }),
        )
      }
      count++
      if (part.rows < PART_ROWS) continue
      parts.push(await part.end())
      part = undefined
    }
    onRows(batch.length)
  }
  if (part !== undefined) parts.push(await part.end())
  return { parts, count, unsigned, leaves }
}

/** A part of the rows, as it is written. */
class OpenPart {
  readonly #writer: NdjsonWriter
  readonly #credentials = new Set<string>()
  readonly #memberIds: string[] = []
  #last = ''
  #firstTime = 0n
  #lastTime = 0n
  #rows = 0

  private constructor(writer: NdjsonWriter) {
    this.#writer = writer
  }

  static async begin(store: ArchiveStore, folder: string, number: number): Promise<OpenPart> {
    const name = `rows-${String(number).padStart(6, '0')}.ndjson.gz`
    return new OpenPart(await NdjsonWriter.create(store, folder, name, MEMBER_LINES))
  }

  get rows(): number {
    return this.#rows
  }

  async add({ auditId, occurredAt, credential, line }: RowLine): Promise<void> {
    if (this.#rows === 0 || occurredAt < this.#firstTime) this.#firstTime = occurredAt
    if (this.#rows === 0 || occurredAt > this.#lastTime) this.#lastTime = occurredAt
    this.#rows++
    this.#last = String(auditId)
    this.#credentials.add(credential)
    if (this.#writer.isAtMember) this.#memberIds.push(this.#last)
    await this.#writer.add(line)
  }

  async end(): Promise<PartInfo> {
    const file = await this.#writer.end()
    const credentials = CredentialFilter.of(this.#credentials).json
    const first = this.#memberIds[0] ?? this.#last
    return {
      ...file,
      first_id: first,
      last_id: this.#last,
      first_time: String(this.#firstTime),
      last_time: String(this.#lastTime),
      member_ids: this.#memberIds,
      credentials,
    }
  }
}

async function writeLeaves(
  { store, reader, partition }: NewArchive,
  folder: string,
  straddling: readonly Straddling[],
  inside: readonly string[],
): Promise<FileInfo> {
  const writer = await NdjsonWriter.create(store, folder, 'leaves.ndjson.gz')
  for (const line of inside) await writer.add(line)
  if (straddling.length > 0) {
    for await (const batch of reader.outside(partition, straddling)) {
      for (const leaf of batch) await writer.add(leafLine({ ...leaf, partition: '' }))
    }
  }
  return writer.end()
}

/** The first archive of a place says where the chains begin whose first blocks are gone. */
async function writeStarts({ store, reader }: NewArchive, folder: string): Promise<FileInfo | undefined> {
  const starts = await reader.starts()
  if (starts.length === 0) return undefined
  const writer = await NdjsonWriter.create(store, folder, 'starts.ndjson.gz')
  for (const start of starts) await writer.add(startLine(start))
  return writer.end()
}

async function writeBlocks(
  { store, reader, partition, chains }: NewArchive,
  folder: string,
  known: ReadonlyMap<string, bigint>,
): Promise<Pick<ArchiveManifest, 'blocks' | 'row_blocks' | 'chains'>> {
  const blocks = await NdjsonWriter.create(store, folder, 'blocks.ndjson.gz', BLOCK_LINES)
  const ends = new Map<string, BlockColumns>()
  for await (const batch of reader.blocks(partition, known)) {
    for (const block of batch) {
      await blocks.add(blockLine(block))
      ends.set(block.chainId, block)
      chains.set(block.chainId, block.blockNo)
    }
  }
  const rowBlocks = await NdjsonWriter.create(store, folder, 'row-blocks.ndjson.gz', BLOCK_LINES)
  for await (const batch of reader.rowBlocks(partition, known)) {
    for (const block of batch) await rowBlocks.add(rowBlockLine(block))
  }
  const heads = await NdjsonWriter.create(store, folder, 'chains.ndjson.gz')
  for (const [chain, block] of ends) {
    const hash = toHex(blockHash(textOfColumns(block)))
    await heads.add(chainLine({ chain, lastBlock: block.blockNo, hash }))
  }
  return { blocks: await blocks.end(), row_blocks: await rowBlocks.end(), chains: await heads.end() }
}
