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
/** Length of the text of a member from which on it is closed. */
const MEMBER_BYTES = 8 * 1024 * 1024
const FIRST_BYTES = 64 * 1024
const NEWLINE = 0x0a
/**
 * Rows of 750 bytes in 8192 lines: level 6 takes 3.5 µs a row and leaves 72 bytes of it, level 3 takes 1.5 µs and leaves 79. In chunks of
 * 16 KiB, the default, uncompressing takes 1.1 µs, and so 0.4 (30 November 2026, Node 20).
 */
const COMPRESSION = { level: 3, memLevel: 9, chunkSize: 1024 * 1024 }
const UNCOMPRESSED_CHUNK = 8 * 1024 * 1024
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
  /** Of the member that is being filled. */
  #text: Buffer = Buffer.alloc(0)
  #length = 0
  #memberCount = 0
  #lines = 0
  #bytes = 0

  private constructor(name: string, file: ArchiveFile, memberLines: number) {
    this.#name = name
    this.#file = file
    this.#memberLines = memberLines
  }

  /** @param folder of the archive */
  static async create(
    store: Pick<ArchiveStore, 'create'>,
    folder: string,
    name: string,
    memberLines = MEMBER_LINES,
  ): Promise<NdjsonWriter> {
    return new NdjsonWriter(name, await store.create(`${folder}/${name}`), memberLines)
  }

  /** The next line begins a member. */
  get isAtMember(): boolean {
    return this.#memberCount === 0
  }

  /**
   * @param line without a line end; in UTF-8, where it is bytes
   * @returns what has to be waited for, after many lines
   */
  add(line: string | Uint8Array): Promise<void> | undefined {
    const bytes = typeof line === 'string' ? Buffer.from(line) : line
    const end = this.#length + bytes.length
    if (end >= this.#text.length) this.#grow(end + 1)
    this.#text.set(bytes, this.#length)
    this.#text[end] = NEWLINE
    this.#length = end + 1
    this.#memberCount++
    const isFull = this.#memberCount >= this.#memberLines || this.#length >= MEMBER_BYTES
    return isFull ? this.#flush() : undefined
  }

  async end(): Promise<FileInfo> {
    if (this.#memberCount > 0) await this.#flush()
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
    const lines = this.#memberCount
    const text = this.#text.subarray(0, this.#length)
    // The next one is about as long.
    this.#text = Buffer.allocUnsafeSlow(this.#text.length)
    this.#length = 0
    this.#memberCount = 0
    this.#lines += lines
    this.#textHash.update(text)
    const compressed = compress(text, COMPRESSION).then((bytes) => ({ bytes, lines }))
    // It is awaited later: what goes wrong is told then.
    compressed.catch(() => {})
    this.#compressing.push(compressed)
    if (this.#compressing.length >= AT_ONCE) await this.#write()
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, bytes * 2))
    grown.set(this.#text.subarray(0, this.#length))
    this.#text = grown
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
  file: FileInfo,
  number: number,
): Promise<readonly string[]> {
  return linesOf(await readText(store, folder, file, number))
}

/** The text of one member, with the line ends. @throws AuditError as {@link readMember} */
async function readText(
  store: ArchiveStore,
  folder: string,
  { name, members, version_id }: FileInfo,
  number: number,
): Promise<Buffer> {
  const member = members[number]
  if (member === undefined) throw archiveError(`${folder}/${name} has no member ${number}`)
  const offset = members.slice(0, number).reduce((sum, { bytes }) => sum + bytes, 0)
  const bytes = await store.readAt(`${folder}/${name}`, offset, member.bytes, version_id)
  return openedMember(folder, name, bytes, member)
}

async function openedMember(folder: string, name: string, bytes: Buffer, member: Member): Promise<Buffer> {
  const differs = `${folder}/${name} is not the file of its manifest: it was altered, or exchanged`
  if (sha256(bytes).toString('hex') !== member.sha256) throw archiveError(differs)
  const text = await decompress(bytes, {
    maxOutputLength: LONGEST_MEMBER_BYTES,
    chunkSize: UNCOMPRESSED_CHUNK,
  }).catch((error: unknown) => {
    throw archiveError(`${folder}/${name} cannot be uncompressed`, error)
  })
  if (text.at(-1) !== NEWLINE || countLines(text) !== member.lines) throw archiveError(differs)
  return text
}

function countLines(text: Buffer): number {
  let lines = 0
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) lines++
  return lines
}

export function linesOf(text: Buffer): readonly string[] {
  return text.toString('utf8', 0, text.length - 1).split('\n')
}

/** The texts of all members, in constant memory: one is read while the one before it is used. @throws AuditError as {@link readMember} */
export async function* readTexts(
  store: ArchiveStore,
  folder: string,
  file: FileInfo,
): AsyncGenerator<Buffer, void> {
  const read = (number: number): Promise<Buffer> | undefined => {
    const reading = number < file.members.length ? readText(store, folder, file, number) : undefined
    // It is awaited in its turn: what goes wrong is told then.
    reading?.catch(() => {})
    return reading
  }
  let reading = read(0)
  for (let next = 1; reading !== undefined; next++) {
    const text = await reading
    reading = read(next)
    yield text
  }
}

/** All lines, member by member. @throws AuditError as {@link readMember} */
export async function* readLines(
  store: ArchiveStore,
  folder: string,
  file: FileInfo,
): AsyncGenerator<readonly string[], void> {
  for await (const text of readTexts(store, folder, file)) yield linesOf(text)
}

/** @returns why a file cannot be the one of its manifest, by its size */
export async function sizeProblem(
  store: ArchiveStore,
  folder: string,
  { name, bytes, members, version_id }: FileInfo,
): Promise<string | undefined> {
  const path = `${folder}/${name}`
  const standing = await store.stat(path, version_id)
  if (standing === undefined) return `${path} is missing`
  const size = standing.bytes
  if (size < bytes) return `${path} is cut off: ${size} of ${bytes} bytes`
  const isWhole = size === bytes && members.reduce((sum, one) => sum + one.bytes, 0) === bytes
  return isWhole ? undefined : `${path} is longer than its manifest says`
}

/** @returns why a file is not the one of its manifest */
export async function fileProblem(
  store: ArchiveStore,
  folder: string,
  file: FileInfo,
): Promise<string | undefined> {
  const { name, members, version_id } = file
  const path = `${folder}/${name}`
  const problem = await sizeProblem(store, folder, file)
  if (problem !== undefined) return problem
  const [hash, textHash] = [createHash('sha256'), createHash('sha256')]
  let [offset, lines] = [0, 0]
  try {
    for (const member of members) {
      const read = await store.readAt(path, offset, member.bytes, version_id)
      const text = await openedMember(folder, name, read, member)
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
