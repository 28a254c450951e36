import type { Hash } from 'node:crypto'
import { AuditError } from '../errors.js'
import { createHash } from '../host/crypto.js'
import type { VerifierKey } from '../chain/note-key.js'
import type { FindingLog } from '../verify/finding.js'
import type { ArchiveStore } from './archive-store.js'
import { checkKept } from './check-kept.js'
import type { ReadManifest } from './manifest.js'
import { archiveOfParquet, findParquetNote, type ParquetFile, parquetFolder } from './parquet-note.js'

const CHUNK_BYTES = 4 * 1024 * 1024

/**
 * Holds the Parquet files of a place against their notes: whoever has signed them has read them back, and they were the rows of
 * the archive. A place need not have any.
 */
export async function checkParquet(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
  keys: readonly VerifierKey[],
  findings: FindingLog,
): Promise<void> {
  const known = new Map(archives.map((archive) => [archive.folder, archive]))
  for (const folder of await store.folders()) {
    const of = archiveOfParquet(folder)
    if (of === undefined) continue
    const archive = known.get(of)
    if (archive === undefined) {
      findings.add('archive-manifest', `${folder}: there is no archive ${of} whose rows it could have`, {})
      continue
    }
    try {
      await checkFolder(store, archive, keys, findings)
    } catch (error) {
      if (!(error instanceof AuditError)) throw error
      findings.add('archive-manifest', error.reason, {})
    }
  }
}

async function checkFolder(
  store: ArchiveStore,
  archive: ReadManifest,
  keys: readonly VerifierKey[],
  findings: FindingLog,
): Promise<void> {
  const folder = parquetFolder(archive.folder)
  const note = await findParquetNote(store, archive, keys)
  if (note === undefined) {
    const what = `${folder} has no signed note: it was interrupted, or the note was removed`
    findings.add('archive-manifest', what, {})
    return
  }
  await checkKept(store, archive, note.at, findings)
  for (const file of note.files) {
    const problem = await checkParquetFile(store, folder, file)
    const at = { file: `${folder}/${file.name}`, version: file.version }
    if (problem === undefined) await checkKept(store, archive, at, findings)
    else findings.add('archive-file', problem, {})
  }
}

/** @returns why a file is not the one of its note */
export async function checkParquetFile(
  store: ArchiveStore,
  folder: string,
  { name, bytes, sha256, version }: ParquetFile,
): Promise<string | undefined> {
  const path = `${folder}/${name}`
  const standing = await store.stat(path, version)
  if (standing === undefined) return `${path} is missing`
  if (standing.bytes !== bytes) return `${path} has ${standing.bytes} bytes, and its note says ${bytes}`
  const hash: Hash = createHash('sha256')
  for (let offset = 0; offset < bytes; offset += CHUNK_BYTES) {
    hash.update(await store.readAt(path, offset, Math.min(CHUNK_BYTES, bytes - offset), version))
  }
  return hash.digest('hex') === sha256
    ? undefined
    : `${path} is not the file of its note: it was altered, or exchanged`
}
