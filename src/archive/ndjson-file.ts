import type { Hash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { AuditError } from '../errors.js'
import { createHash } from '../host/crypto.js'
import { sha256 } from '../event/sha256.js'
import { type ArchiveFile, archiveError, type ArchiveStore } from './archive-store.js'

const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** One of the gzip members that a file consists of: it can be read by itself. */
export interface Member {
  readonly bytes: number
  /** Of the compressed bytes, hex. */
  readonly sha256: string
  readonly lines: number
}

/** A file of lines, as its manifest has it. */
export interface FileInfo {
  /** `<folder>/<name>` without the folder. */
  readonly name: string
  readonly bytes: number
  /** SHA-256 of the file, and of its text uncompressed, hex. */
  readonly sha256: string
  readonly text_sha256: string
  readonly lines: number
  readonly members: readonly Member[]
  /** Of the file, where the store keeps several: it is read by it, also where a newer one hides it. */
  readonly version_id?: string
}

/** Lines of a member. */
export const MEMBER_LINES = 8192
/** Length of the text of a member from which on it is closed, in UTF-16 code units. */
const MEMBER_LENGTH = 8 * 1024 * 1024
/** Longest text of a member that is read. */
const LONGEST_MEMBER_BYTES = 256 * 1024 * 1024
/** Members that are compressed at once, by the threads of Node. */
const AT_ONCE = 4

/**
 * Writes lines as gzip members, several of which are compressed at once: one stream of gzip is a quarter as fast as
 * Postgres gives rows.
 */
export class NdjsonWriter {
  readonly #name: string
  readonly #file: ArchiveFile
  readonly #memberLines: number
  readonly #hash: Hash = createHash('sha256')
  readonly #textHash: Hash = createHash('sha256')
  readonly #members: Member[] = []
  /** In their order; the first is written next. */
  readonly #compressing: Promise<{ readonly bytes: Buffer; readonly lines: number }>[] = []
  #text: string[] = []
  #length = 0
  #lines = 0
  #bytes = 0

  private constructor(name: string, file: ArchiveFile, memberLines: number) {
    this.#name = name
    this.#file = file
    this.#memberLines = memberLines
  }

  /** @param folder of the archive */
  static async create(
    store: ArchiveStore,
    folder: string,
    name: string,
    memberLines = MEMBER_LINES,
  ): Promise<NdjsonWriter> {
    return new NdjsonWriter(name, await store.create(`${folder}/${name}`), memberLines)
  }

  /** The next line begins a member. */
  get isAtMember(): boolean {
    return this.#text.length === 0
  }

  /** @param line without a line end */
  async add(line: string): Promise<void> {
    this.#text.push(line)
    this.#length += line.length
    if (this.#text.length >= this.#memberLines || this.#length >= MEMBER_LENGTH) await this.#flush()
  }

  async end(): Promise<FileInfo> {
    if (this.#text.length > 0) await this.#flush()
    while (this.#compressing.length > 0) await this.#write()
    const version = await this.#file.close()
    return {
      name: this.#name,
      bytes: this.#bytes,
      sha256: this.#hash.digest('hex'),
      text_sha256: this.#textHash.digest('hex'),
      lines: this.#lines,
      members: this.#members,
      ...(version !== undefined && { version_id: version }),
    }
  }

  async #flush(): Promise<void> {
    const lines = this.#text.length
    const text = Buffer.from(`${this.#text.join('\n')}\n`)
    this.#text = []
    this.#length = 0
    this.#lines += lines
    this.#textHash.update(text)
    const compressed = compress(text).then((bytes) => ({ bytes, lines }))
    // It is awaited later: what goes wrong is told then.
    compressed.catch(() => {})
    this.#compressing.push(compressed)
    if (this.#compressing.length >= AT_ONCE) await this.#write()
  }

  async #write(): Promise<void> {
    const next = await this.#compressing.shift()
    if (next === undefined) return
    const { bytes, lines } = next
    this.#hash.update(bytes)
    this.#bytes += bytes.length
    this.#members.push({ bytes: bytes.length, sha256: sha256(bytes).toString('hex'), lines })
    await this.#file.write(bytes)
  }
}

/** The lines of one member. @throws AuditError `AUDIT_ARCHIVE`, naming the file, when it is not the one of the manifest */
export async function readMember(
  store: ArchiveStore,
  folder: string,
  { name, members, version_id }: FileInfo,
  number: number,
): Promise<readonly string[]> {
  const member = members[number]
  if (member === undefined) throw archiveError(`${folder}/${name} has no member ${number}`)
  const offset = members.slice(0, number).reduce((sum, { bytes }) => sum + bytes, 0)
  const bytes = await store.readAt(`${folder}/${name}`, offset, member.bytes, version_id)
  return (await openedMember(folder, name, bytes, member)).lines
}

async function openedMember(
  folder: string,
  name: string,
  bytes: Buffer,
  member: Member,
): Promise<{ readonly lines: readonly string[]; readonly text: Buffer }> {
  const differs = `${folder}/${name} is not the file of its manifest: it was altered, or exchanged`
  if (sha256(bytes).toString('hex') !== member.sha256) throw archiveError(differs)
  const text = await decompress(bytes, { maxOutputLength: LONGEST_MEMBER_BYTES }).catch((error: unknown) => {
    throw archiveError(`${folder}/${name} cannot be uncompressed`, error)
  })
  const lines = text.toString().split('\n')
  if (lines.pop() !== '' || lines.length !== member.lines) throw archiveError(differs)
  return { lines, text }
}

/** All lines, member by member, in constant memory. @throws AuditError as {@link readMember} */
export async function* readLines(
  store: ArchiveStore,
  folder: string,
  file: FileInfo,
): AsyncGenerator<readonly string[], void> {
  for (const number of file.members.keys()) yield await readMember(store, folder, file, number)
}

/** @returns why a file is not the one of its manifest */
export async function fileProblem(
  store: ArchiveStore,
  folder: string,
  file: FileInfo,
): Promise<string | undefined> {
  const { name, bytes, members, version_id } = file
  const path = `${folder}/${name}`
  const standing = await store.stat(path, version_id)
  if (standing === undefined) return `${path} is missing`
  const size = standing.bytes
  if (size < bytes) return `${path} is cut off: ${size} of ${bytes} bytes`
  if (size > bytes || members.reduce((sum, one) => sum + one.bytes, 0) !== bytes)
    return `${path} is longer than its manifest says`
  const [hash, textHash] = [createHash('sha256'), createHash('sha256')]
  let [offset, lines] = [0, 0]
  try {
    for (const member of members) {
      const read = await store.readAt(path, offset, member.bytes, version_id)
      const { text } = await openedMember(folder, name, read, member)
      hash.update(read)
      textHash.update(text)
      offset += member.bytes
      lines += member.lines
    }
  } catch (error) {
    if (error instanceof AuditError) return error.reason
    throw error
  }
  const isIt = hash.digest('hex') === file.sha256 && textHash.digest('hex') === file.text_sha256
  return isIt && lines === file.lines
    ? undefined
    : `${path} is not the file of its manifest: it was altered, or exchanged`
}
