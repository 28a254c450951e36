import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from '../host/crypto.js'
import { sha256 } from '../event/sha256.js'
import type { NoteSigner, VerifierKey } from '../chain/note-key.js'
import { archiveError, type ArchiveStore, isThere } from './archive-store.js'
import type { PartInfo, ReadManifest } from './manifest.js'
import type { ParquetEngine } from './parquet-engine.js'
import { checkParquetFile } from './check-parquet.js'
import {
  PARQUET_NOTE,
  type ParquetFile,
  parquetFolder,
  parquetName,
  readParquetNote,
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
      if (await isThere(store, `${folder}/${PARQUET_NOTE}`)) {
        readParquetNote(await store.read(`${folder}/${PARQUET_NOTE}`), archive, [signer.key, ...keys])
        continue
      }
      await store.discard(folder)
    }
    const files: ParquetFile[] = []
    for (const part of archive.manifest.parts) files.push(await writePart(context, archive, part))
    const note = await store.create(`${folder}/${PARQUET_NOTE}`)
    await note.write(Buffer.from(signParquet(archive, files, signer)))
    await note.close()
    written++
    onLine(`${folder}: ${archive.manifest.rows} rows, by ${engine.name}, read back`)
  }
  return written
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
    const { bytes, hash } = await putFile(
      store,
      `${parquetFolder(folder)}/${parquetName(part.name)}`,
      parquet,
    )
    const file = { name: parquetName(part.name), bytes, sha256: hash, rows: part.lines }
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
  from: string,
): Promise<{ readonly bytes: number; readonly hash: string }> {
  const hash: Hash = createHash('sha256')
  const created = await store.create(file)
  let bytes = 0
  for await (const chunk of createReadStream(from, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
    await created.write(chunk as Buffer)
  }
  await created.close()
  return { bytes, hash: hash.digest('hex') }
}
