import { blockHash } from '../chain/block.js'
import { type BlockColumns, textOfColumns } from '../chain/block-columns.js'
import { toHex } from '../chain/hash.js'
import type { NoteSigner } from '../chain/note-key.js'
import { VERSION } from '../version.js'
import type { ArchiveFile, ArchiveStore } from './archive-store.js'
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
import type { ObjectLock } from './object-lock.js'
import type { RowLine } from './row-line.js'
import { leafOf, StraddlingBlocks } from './straddling.js'

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
  readonly lock?: ObjectLock | undefined
  readonly sizes?: ArchiveSizes | undefined
}

/** Of how much a file and its members consist. */
export interface ArchiveSizes {
  readonly partRows: number
  readonly memberLines: number
}

const SIZES: ArchiveSizes = { partRows: PART_ROWS, memberLines: MEMBER_LINES }

/** Writes one archive. It is there when this returns, and nothing of it is proven. */
export async function writeArchive(given: NewArchive): Promise<ReadManifest> {
  const { lock } = given
  const store = new OpenFiles(lock === undefined ? given.store : given.store.lockedBy(lock))
  try {
    return await writeFiles({ ...given, store })
  } catch (error) {
    await store.abandon()
    throw error
  }
}

/** The files that are being written. */
class OpenFiles implements Pick<ArchiveStore, 'create'> {
  readonly #store: ArchiveStore
  readonly #files: ArchiveFile[] = []

  constructor(store: ArchiveStore) {
    this.#store = store
  }

  async create(name: string): Promise<ArchiveFile> {
    const file = await this.#store.create(name)
    this.#files.push(file)
    return file
  }

  async abandon(): Promise<void> {
    for (const file of this.#files) await file.abandon()
  }
}

interface Writing extends Omit<NewArchive, 'store'> {
  readonly store: Pick<ArchiveStore, 'create'>
}

async function writeFiles(archive: Writing): Promise<ReadManifest> {
  const { store, reader, partition, before, chains, signer, log, trail, lock } = archive
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
    ...(lock !== undefined && { lock }),
  }
  const text = manifestText(manifest)
  const note = signManifest(text, signer)
  await put(store, `${folder}/${MANIFEST}`, text)
  await put(store, `${folder}/${MANIFEST_NOTE}`, note)
  return readManifest(folder, Buffer.from(text), Buffer.from(note))
}

async function put(store: Pick<ArchiveStore, 'create'>, file: string, text: string): Promise<void> {
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
  { store, rows, partition, onRows, sizes = SIZES }: Writing,
  folder: string,
  straddling: readonly Straddling[],
): Promise<WrittenRows> {
  const parts: PartInfo[] = []
  const leaves: string[] = []
  const blocks = new StraddlingBlocks(straddling, partition)
  let part: OpenPart | undefined
  let [count, unsigned] = [0, 0]
  for await (const batch of rows) {
    for (const row of batch) {
      part ??= await OpenPart.begin(store, folder, parts.length + 1, sizes.memberLines)
      const isFull = part.add(row)
      if (isFull !== undefined) await isFull
      if (!row.hasBlock) unsigned++
      const leaf = leafOf(row, blocks, partition.name)
      if (leaf !== undefined) leaves.push(leafLine(leaf))
      count++
      if (part.rows < sizes.partRows) continue
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
  #last = 0n
  #firstTime = 0n
  #lastTime = 0n
  #rows = 0

  private constructor(writer: NdjsonWriter) {
    this.#writer = writer
  }

  static async begin(
    store: Pick<ArchiveStore, 'create'>,
    folder: string,
    number: number,
    memberLines: number,
  ): Promise<OpenPart> {
    const name = `rows-${String(number).padStart(6, '0')}.ndjson.gz`
    return new OpenPart(await NdjsonWriter.create(store, folder, name, memberLines))
  }

  get rows(): number {
    return this.#rows
  }

  /** @returns what has to be waited for */
  add({ auditId, occurredAt, credential, line }: RowLine): Promise<void> | undefined {
    if (this.#rows === 0 || occurredAt < this.#firstTime) this.#firstTime = occurredAt
    if (this.#rows === 0 || occurredAt > this.#lastTime) this.#lastTime = occurredAt
    this.#rows++
    this.#last = auditId
    this.#credentials.add(credential)
    if (this.#writer.isAtMember) this.#memberIds.push(String(auditId))
    return this.#writer.add(line)
  }

  async end(): Promise<PartInfo> {
    const file = await this.#writer.end()
    const credentials = CredentialFilter.of(this.#credentials).json
    const last = String(this.#last)
    return {
      ...file,
      first_id: this.#memberIds[0] ?? last,
      last_id: last,
      first_time: String(this.#firstTime),
      last_time: String(this.#lastTime),
      member_ids: this.#memberIds,
      credentials,
    }
  }
}

async function writeLeaves(
  { store, reader, partition }: Writing,
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
async function writeStarts({ store, reader }: Writing, folder: string): Promise<FileInfo | undefined> {
  const starts = await reader.starts()
  if (starts.length === 0) return undefined
  const writer = await NdjsonWriter.create(store, folder, 'starts.ndjson.gz')
  for (const start of starts) await writer.add(startLine(start))
  return writer.end()
}

async function writeBlocks(
  { store, reader, partition, chains }: Writing,
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
