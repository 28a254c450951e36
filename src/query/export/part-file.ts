import { createHash } from '../../host/crypto.js'
import type { Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { AuditError } from '../../errors.js'

const BUFFER_BYTES = 64 * 1024
/** Who else may read the trail is the database's to say, not the file system's. */
export const FILE_MODE = 0o600

export const partOf = (file: string): string => `${file}.part`

/** The growing file, with its size and hash. */
export class PartFile {
  readonly #handle: FileHandle
  readonly #hash: Hash
  readonly #encoder = new TextEncoder()
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  #used = 0
  #bytes: number

  private constructor(handle: FileHandle, hash: Hash, bytes: number) {
    this.#handle = handle
    this.#hash = hash
    this.#bytes = bytes
  }

  /** @param bytes how many of an existing file count: what was written after the checkpoint is cut off */
  static async open(file: string, bytes: number | undefined): Promise<PartFile> {
    const hash = createHash('sha256')
    const handle = await open(partOf(file), bytes === undefined ? 'w' : 'r+', FILE_MODE)
    if (bytes === undefined) return new PartFile(handle, hash, 0)
    const { size } = await handle.stat()
    if (size < bytes) {
      await handle.close()
      throw new AuditError(
        'AUDIT_EXPORT',
        `${partOf(file)} is shorter than when it was interrupted; start again without --resume`,
      )
    }
    await handle.truncate(bytes)
    await hashFirst(handle, bytes, hash)
    return new PartFile(handle, hash, bytes)
  }

  /** Bytes that {@link sync} has put on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Through one buffer, row by row: large strings and buffers would wait for a major collection, and grow the heap. */
  async write(text: string): Promise<void> {
    for (let rest = text; ; ) {
      const { read, written } = this.#encoder.encodeInto(rest, this.#buffer.subarray(this.#used))
      this.#used += written
      if (read === rest.length) return
      await this.#flush()
      rest = rest.slice(read)
    }
  }

  async #flush(): Promise<void> {
    await this.#append(this.#buffer.subarray(0, this.#used))
    this.#used = 0
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#bytes + done)
      done += bytesWritten
    }
    this.#bytes += bytes.length
  }

  /** What was written is on disk, and counted. */
  async sync(): Promise<void> {
    await this.#flush()
    await this.#handle.datasync()
  }

  /** Lower-case hex SHA-256 of all that was written. Once. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Through one buffer, too: those of a stream are collected late. */
async function hashFirst(handle: FileHandle, bytes: number, hash: Hash): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES)
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - at), at)
    if (bytesRead === 0) throw new AuditError('AUDIT_EXPORT', 'the file became shorter while it was read')
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
}
