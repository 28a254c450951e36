import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from '../host/crypto.js'
import { wallClock } from '../host/globals.js'
import { sha256 } from '../event/sha256.js'
import type { NoteSigner, VerifierKey } from '../chain/note-key.js'
import { archiveError, type ArchiveStore } from './archive-store.js'
import type { PartInfo, ReadManifest } from './manifest.js'
import { type ObjectLock, strongest } from './object-lock.js'
import type { ParquetEngine } from './parquet-engine.js'
import { checkParquetFile } from './check-parquet.js'
import {
  findParquetNote,
  PARQUET_NOTE,
  type ParquetFile,
  parquetFolder,
  parquetName,
  signParquet,
} from './parquet-note.js'
import { lineOfTexts } from './row-line.js'

export interface ParquetContext {
  readonly store: ArchiveStore
  readonly engine: ParquetEngine
  /** The retention key. */
  readonly signer: NoteSigner
  /** Others whose notes count. */
  readonly keys: readonly VerifierKey[]
  /** An existing one, for files that go again: it takes a part as lines and as Parquet. */
  readonly directory: string
  readonly onLine: (line: string) => void
  /** How what is written is locked at least. Each archive's files are also locked as the archive is. */
  readonly lock?: ObjectLock | undefined
}

/**
 * Writes the rows of archives as Parquet beside them, and proves it: what is read back from each file makes the text of the part,
 * byte by byte, as the manifest names its hash. What has a note is left alone, what was interrupted is written anew.
 *
 * @returns how many archives were written
 * @throws AuditError `AUDIT_ARCHIVE` when what is read back is not what was archived
 */
export async function writeParquet(
  context: ParquetContext,
  archives: readonly ReadManifest[],
): Promise<number> {
  const { store, signer, keys, engine, onLine } = context
  const folders = new Set(await store.folders())
  let written = 0
  for (const archive of archives) {
    const folder = parquetFolder(archive.folder)
    if (folders.has(folder)) {
      if ((await findParquetNote(store, archive, [signer.key, ...keys])) !== undefined) continue
      await store.discard(folder)
    }
    const locked = { ...context, store: lockedAs(context, archive) }
    const files: ParquetFile[] = []
    for (const part of archive.manifest.parts) files.push(await writePart(locked, archive, part))
    const note = signParquet(archive, files, signer)
    await putFile(locked.store, `${folder}/${PARQUET_NOTE}`, [Buffer.from(note)])
    written++
    onLine(`${folder}: ${archive.manifest.rows} rows, by ${engine.name}, read back`)
  }
  return written
}

/** A lock that is over is not set any more: stores refuse it. */
function lockedAs({ store, lock }: ParquetContext, { manifest }: ReadManifest): ArchiveStore {
  const locks = [lock, manifest.lock].filter((one) => one !== undefined)
  const current = strongest(locks.filter(({ until }) => Date.parse(until) > wallClock()))
  return current === undefined ? store : store.lockedBy(current)
}

async function writePart(
  { store, engine, directory }: ParquetContext,
  { folder }: ReadManifest,
  part: PartInfo,
): Promise<ParquetFile> {
  const work = await mkdtemp(join(directory, 'part-'))
  try {
    const [lines, parquet] = [join(work, part.name), join(work, parquetName(part.name))]
    await fetchPart(store, folder, part, lines)
    await engine.write(lines, parquet)
    await rm(lines)
    const problem = await differs(engine, parquet, part)
    if (problem !== undefined)
      throw archiveError(`${folder}/${part.name} as Parquet, read back by ${engine.name}, ${problem}`)
    const stored = await putFile(
      store,
      `${parquetFolder(folder)}/${parquetName(part.name)}`,
      createReadStream(parquet, { highWaterMark: 1024 * 1024 }),
    )
    const file = { name: parquetName(part.name), rows: part.lines, ...stored }
    const bad = await checkParquetFile(store, parquetFolder(folder), file)
    if (bad !== undefined) throw archiveError(`${bad}. It was read back, and is not what was written`)
    return file
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Copies the file of a part to this machine, each member of it as the manifest has it. */
async function fetchPart(
  store: ArchiveStore,
  folder: string,
  { name, members, version_id }: PartInfo,
  to: string,
): Promise<void> {
  const file = await open(to, 'wx', 0o600)
  try {
    let offset = 0
    for (const { bytes, sha256: expected } of members) {
      const read = await store.readAt(`${folder}/${name}`, offset, bytes, version_id)
      if (sha256(read).toString('hex') !== expected)
        throw archiveError(`${folder}/${name} is not the file of its manifest: it was altered, or exchanged`)
      await file.writeFile(read)
      offset += bytes
    }
  } finally {
    await file.close()
  }
}

/** @returns how the rows of a Parquet file are not those of the part */
async function differs(engine: ParquetEngine, file: string, part: PartInfo): Promise<string | undefined> {
  const text: Hash = createHash('sha256')
  let rows = 0
  for await (const batch of engine.rows(file)) {
    for (const texts of batch) text.update(`${lineOfTexts(texts)}\n`)
    rows += batch.length
  }
  if (rows !== part.lines) return `has ${rows} rows of ${part.lines}`
  return text.digest('hex') === part.text_sha256 ? undefined : 'does not have the rows that were archived'
}

async function putFile(
  store: ArchiveStore,
  file: string,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<Omit<ParquetFile, 'name' | 'rows'>> {
  const hash: Hash = createHash('sha256')
  const created = await store.create(file)
  try {
    let bytes = 0
    for await (const chunk of chunks) {
      hash.update(chunk)
      bytes += chunk.length
      await created.write(chunk)
    }
    const version = await created.close()
    return { bytes, sha256: hash.digest('hex'), version }
  } catch (error) {
    await created.abandon()
    throw error
  }
}
