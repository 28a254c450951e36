import { AuditError } from '../errors.js'
import { isTrailId } from '../chain/block.js'
import { toHex } from '../chain/hash.js'
import { openNote, parseNote, signNote } from '../chain/note.js'
import { isKeyName, type NoteSigner, type VerifierKey } from '../chain/note-key.js'
import { sha256 } from '../event/sha256.js'
import { JSON } from '../host/globals.js'
import { archiveError, type FileVersion } from './archive-store.js'
import type { CredentialFilterJson } from './credential-filter.js'
import type { FileInfo } from './ndjson-file.js'
import { isObjectLock, type ObjectLock } from './object-lock.js'

const FORMAT = 'otel-audit/archive/v1'

export const MANIFEST = 'manifest.json'
/** The signed note about it. It is written last: an archive is there from then on. */
export const MANIFEST_NOTE = 'manifest.note'

/** A part of the rows of an archive: at most {@link PART_ROWS}, in ascending order of ids. */
export interface PartInfo extends FileInfo {
  readonly first_id: string
  readonly last_id: string
  /** Of `occurred_at`, µs since the Unix epoch: earliest and latest. */
  readonly first_time: string
  readonly last_time: string
  /** Smallest ids of its members: which of them a search has to read. */
  readonly member_ids: readonly string[]
  readonly credentials: CredentialFilterJson
}

/** What an archive is: one partition of the trail, or what came to it after it had been archived. */
export interface ArchiveManifest {
  readonly format: typeof FORMAT
  readonly version: string
  readonly log: string
  /** 32 hex digits. */
  readonly trail: string
  /** From 1, without a gap: archives of one place follow each other. */
  readonly sequence: number
  /** SHA-256 of the manifest before it, hex. Null: it is the first. */
  readonly previous: string | null
  /** RFC 3339. */
  readonly created_at: string
  readonly partition: string
  /** Ids of the partition: from the first up to, but without, the end. Null: no lower bound. */
  readonly from_id: string | null
  readonly to_id: string
  readonly rows: number
  /** Rows without a block. */
  readonly unsigned: number
  readonly parts: readonly PartInfo[]
  /** The blocks up to here that no archive before has, chain by chain. */
  readonly blocks: FileInfo
  /** Those with rows, as far as rows need them, in ascending order of their smallest ids. */
  readonly row_blocks: FileInfo
  /** Digests of all rows of the blocks that have rows in the partition and elsewhere. */
  readonly leaves: FileInfo
  /** How far the blocks of each chain are archived, with this archive. */
  readonly chains: FileInfo
  /** Of the first archive of a place: where chains began then. Undefined: with genesis. */
  readonly starts?: FileInfo | undefined
  /** How all of its files are locked, the manifest too. Absent: they are not. */
  readonly lock?: ObjectLock
}

/** Rows of a part. */
export const PART_ROWS = 1_000_000

export function manifestText(manifest: ArchiveManifest): string {
  return `${JSON.stringify(manifest, undefined, 1)}\n`
}

/** What names a manifest: SHA-256 of its bytes, hex. */
function manifestHash(text: string | Uint8Array): string {
  return toHex(sha256(text))
}

/** @param text of the manifest, as it is stored */
export function signManifest(text: string, signer: NoteSigner): string {
  return signNote(noteText(JSON.parse(text) as ArchiveManifest, manifestHash(text)), signer)
}

function noteText(manifest: ArchiveManifest, hash: string): string {
  const { log, trail, sequence, previous, partition, from_id, to_id } = manifest
  return (
    `${FORMAT}\nlog ${log}\ntrail ${trail}\nsequence ${sequence}\npartition ${partition}\nids ${from_id ?? '-'} ${to_id}\n` +
    `manifest ${hash}\nprevious ${previous ?? '-'}\n`
  )
}

/** A manifest whose note says that it is the one. */
export interface ReadManifest {
  readonly folder: string
  readonly manifest: ArchiveManifest
  readonly hash: string
  readonly note: string
  /** Where manifest and note were found. */
  readonly at?: readonly FileVersion[]
}

/** The files that a manifest names, those with rows first. */
export function filesOf({
  parts,
  blocks,
  row_blocks,
  leaves,
  chains,
  starts,
}: ArchiveManifest): readonly FileInfo[] {
  return [...parts, blocks, row_blocks, leaves, chains, ...(starts === undefined ? [] : [starts])]
}

/**
 * Reads a manifest with the note about it. Who has signed that is not looked at: see {@link whyUnsigned}.
 *
 * @throws AuditError `AUDIT_ARCHIVE`, naming the folder
 */
export function readManifest(folder: string, bytes: Uint8Array, noteBytes: Uint8Array): ReadManifest {
  const bad = (problem: string): AuditError => archiveError(`${folder}/${MANIFEST}: ${problem}`)
  const hash = manifestHash(bytes)
  const note = Buffer.from(noteBytes).toString()
  let manifest: ArchiveManifest
  try {
    manifest = JSON.parse(Buffer.from(bytes).toString()) as ArchiveManifest
  } catch {
    throw bad('it is not JSON')
  }
  const problem = problemOf(manifest)
  if (problem !== undefined) throw bad(problem)
  let text: string
  try {
    text = parseNote(note).text
  } catch (error) {
    throw bad(`its note: ${(error as AuditError).reason}`)
  }
  if (text !== noteText(manifest, hash))
    throw bad('its note is about another manifest: it was altered, or exchanged')
  return { folder, manifest, hash, note }
}

/** Why nobody that the auditor knows has signed it. */
export function whyUnsigned({ note }: ReadManifest, keys: readonly VerifierKey[]): string | undefined {
  try {
    openNote(note, keys)
    return undefined
  } catch (error) {
    if (error instanceof AuditError) return error.reason
    throw error
  }
}

/** Only what the rest of the code relies on. A manifest that is signed is what was written. */
function problemOf(given: unknown): string | undefined {
  if (typeof given !== 'object' || given === null) return 'it is not an object'
  const { log, trail, sequence, previous, partition, from_id, to_id, parts, rows, ...files } =
    given as ArchiveManifest
  if ((given as { format?: unknown }).format !== FORMAT) return `its format is not ${FORMAT}`
  if (typeof log !== 'string' || !isKeyName(log)) return 'log is not the name of a log'
  if (typeof trail !== 'string' || !isTrailId(trail)) return 'trail is not 32 hex digits'
  if (!isCount(sequence) || sequence === 0) return 'sequence is not a number from 1 on'
  if (previous !== null && !/^[0-9a-f]{64}$/.test(previous)) return 'previous is not a hash'
  if (typeof partition !== 'string' || !/^[a-z0-9_]{1,63}$/.test(partition)) return 'partition is not a name'
  if (!isId(to_id) || (from_id !== null && !isId(from_id))) return 'from_id and to_id are not ids'
  if (!isCount(rows) || !Array.isArray(parts)) return 'rows or parts are missing'
  if (files.lock !== undefined && !isObjectLock(files.lock)) return 'lock is not how files are locked'
  const all = [
    ...parts,
    files.blocks,
    files.row_blocks,
    files.leaves,
    files.chains,
    ...(files.starts === undefined ? [] : [files.starts]),
  ]
  if (!all.every(isFile)) return 'it does not say of each file what it is'
  if (!parts.every((part) => isId(part.first_id) && isId(part.last_id) && Array.isArray(part.member_ids)))
    return 'it does not say of each part which ids it has'
  if (parts.reduce((sum, { lines }) => sum + lines, 0) !== rows) return 'its parts do not add up to its rows'
  return undefined
}

function isFile(file: FileInfo | undefined): boolean {
  return (
    typeof file === 'object' &&
    // A name, and not a way out of the folder.
    /^[a-z0-9-]+\.ndjson\.gz$/.test(file.name) &&
    isCount(file.bytes) &&
    isCount(file.lines) &&
    (file.version_id === undefined || typeof file.version_id === 'string') &&
    Array.isArray(file.members) &&
    file.members.every(({ bytes, lines }) => isCount(bytes) && isCount(lines))
  )
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && /^-?\d{1,19}$/.test(value)
}
