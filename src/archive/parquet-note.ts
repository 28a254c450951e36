import { AuditError } from '../errors.js'
import { openNote, parseNote, signNote } from '../chain/note.js'
import type { NoteSigner, VerifierKey } from '../chain/note-key.js'
import { archiveError } from './archive-store.js'
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
  return (
    `${FORMAT}\nlog ${log}\ntrail ${trail}\nmanifest ${hash}\n` +
    files.map(({ name, bytes, sha256, rows }) => `${name} ${bytes} ${sha256} ${rows}\n`).join('')
  )
}

export function signParquet(
  archive: ReadManifest,
  files: readonly ParquetFile[],
  signer: NoteSigner,
): string {
  return signNote(noteText(archive, files), signer)
}

const FILE =
  /^(?<name>rows-\d{6}\.parquet) (?<bytes>[1-9]\d{0,14}) (?<sha256>[0-9a-f]{64}) (?<rows>[1-9]\d{0,14})$/

/**
 * Reads the note about the Parquet files of an archive: that it is about this archive, and has each of its parts.
 *
 * @param keys retention keys, one of which has signed it
 * @throws AuditError `AUDIT_ARCHIVE`, naming the folder
 */
export function readParquetNote(
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
    const { name = '', bytes, sha256 = '', rows } = found
    return [{ name, bytes: Number(bytes), sha256, rows: Number(rows) }]
  })
}
