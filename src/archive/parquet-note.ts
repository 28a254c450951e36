import { AuditError } from '../errors.js'
import { openNote, parseNote, signNote } from '../chain/note.js'
import type { NoteSigner, VerifierKey } from '../chain/note-key.js'
import { archiveError, type ArchiveStore, type FileVersion } from './archive-store.js'
import type { ReadManifest } from './manifest.js'

const FORMAT = 'otel-audit/parquet/v1'

/** The signed note about the Parquet files of an archive. It is written last: they are there from then on. */
export const PARQUET_NOTE = 'parquet.note'

/** A part of an archive as Parquet. */
export interface ParquetFile {
  readonly name: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
  readonly rows: number
  /** Where the store keeps several: which of them it is. */
  readonly version?: string | undefined
}

const SUFFIX = '-parquet'

/** Beside the folder of the archive, which nothing is ever added to. */
export function parquetFolder(archive: string): string {
  return `${archive}${SUFFIX}`
}

/** The folder of the archive whose Parquet files are in this one. Undefined: they are not in it. */
export function archiveOfParquet(folder: string): string | undefined {
  return folder.endsWith(SUFFIX) ? folder.slice(0, -SUFFIX.length) : undefined
}

/** Called as the part: `rows-000001.parquet`. */
export function parquetName(part: string): string {
  return part.replace(/\.ndjson\.gz$/, '.parquet')
}

function noteText({ manifest, hash }: ReadManifest, files: readonly ParquetFile[]): string {
  const { log, trail } = manifest
  return `${FORMAT}\nlog ${log}\ntrail ${trail}\nmanifest ${hash}\n` + files.map(fileLine).join('')
}

/** A version that does not fit in a line is left out: the file is then looked for by its name. */
function fileLine({ name, bytes, sha256, rows, version }: ParquetFile): string {
  const isKept = version !== undefined && /^[!-~]{1,1024}$/.test(version)
  return `${name} ${bytes} ${sha256} ${rows}${isKept ? ` ${version}` : ''}\n`
}

export function signParquet(
  archive: ReadManifest,
  files: readonly ParquetFile[],
  signer: NoteSigner,
): string {
  return signNote(noteText(archive, files), signer)
}

const FILE =
  /^(?<name>rows-\d{6}\.parquet) (?<bytes>[1-9]\d{0,14}) (?<sha256>[0-9a-f]{64}) (?<rows>[1-9]\d{0,14})(?: (?<version>[!-~]{1,1024}))?$/

/** A note that is about the Parquet files of an archive, and where it was found. */
export interface ReadParquetNote {
  readonly files: readonly ParquetFile[]
  readonly at: FileVersion
}

/** Of the note. More are made by somebody who wants the true one not to be found; then who has deleted them finds it. */
const MOST_VERSIONS = 16

/**
 * Reads the note about the Parquet files of an archive: the newest that is about this archive, has each of its parts, and is signed by
 * one of the keys.
 *
 * @param keys retention keys, one of which has signed it. None: who has signed it is not looked at
 * @returns undefined: there is no note
 * @throws AuditError `AUDIT_ARCHIVE`, naming the folder, when notes are there and none of them is the one
 */
export async function findParquetNote(
  store: ArchiveStore,
  archive: ReadManifest,
  keys: readonly VerifierKey[],
): Promise<ReadParquetNote | undefined> {
  const file = `${parquetFolder(archive.folder)}/${PARQUET_NOTE}`
  let problem: AuditError | undefined
  for (const version of (await store.versions(file)).slice(0, MOST_VERSIONS)) {
    try {
      return { files: readNote(await store.read(file, version), archive, keys), at: { file, version } }
    } catch (error) {
      if (!(error instanceof AuditError)) throw error
      problem ??= error
    }
  }
  if (problem !== undefined) throw problem
  return undefined
}

function readNote(
  bytes: Uint8Array,
  archive: ReadManifest,
  keys: readonly VerifierKey[],
): readonly ParquetFile[] {
  const bad = (problem: string): AuditError =>
    archiveError(`${parquetFolder(archive.folder)}/${PARQUET_NOTE}: ${problem}`)
  const note = Buffer.from(bytes).toString()
  try {
    const files = filesOf(parseNote(note).text)
    if (keys.length > 0) openNote(note, keys)
    if (parseNote(note).text !== noteText(archive, files))
      throw bad('it is about another archive, or its lines are not those of one')
    const parts = archive.manifest.parts.map(({ name, lines }) => `${parquetName(name)} ${lines}`)
    if (parts.join() !== files.map(({ name, rows }) => `${name} ${rows}`).join())
      throw bad('it does not have the parts of the archive')
    return files
  } catch (error) {
    if (!(error instanceof AuditError) || error.code === 'AUDIT_ARCHIVE') throw error
    throw bad(error.reason)
  }
}

/** Lines that are not those of a file are left out: then the text is not the same. */
function filesOf(text: string): readonly ParquetFile[] {
  return text.split('\n').flatMap((line) => {
    const found = FILE.exec(line)?.groups
    if (found === undefined) return []
    const { name = '', bytes, sha256 = '', rows, version } = found
    return [{ name, bytes: Number(bytes), sha256, rows: Number(rows), version }]
  })
}
