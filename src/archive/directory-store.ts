import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ArchiveFile,
  archiveError,
  type ArchiveStore,
  type FileStanding,
  type FileVersion,
  type Marking,
} from './archive-store.js'
import type { ObjectLock } from './object-lock.js'

/** Who else may read the trail is the database's to say, not the file system's. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const NO_SPACE =
  'Make room there, and run the same command again: what was interrupted is written anew, and nothing counts as archived before it is proven.'
const NO_RIGHT =
  'Let the user that runs this write there: the directory is for archives alone, and for their owner.'

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', NO_SPACE],
  ['EDQUOT', NO_SPACE],
  ['EACCES', NO_RIGHT],
  ['EPERM', NO_RIGHT],
  ['EROFS', NO_RIGHT],
])

/** Of a file whose length nothing has proven yet. */
const LONGEST_READ = 256 * 1024 * 1024
/** In the folder of an archive that is held. A file system cannot keep its owner from deleting: it is for people to see. */
const HELD_MARK = 'HELD'

/** Archives in a directory. A file is on disk, with its name, when it is closed. */
export class DirectoryStore implements ArchiveStore {
  readonly place: string

  /** @param place a directory; the first file makes it */
  constructor(place: string) {
    this.place = place
  }

  async folders(): Promise<readonly string[]> {
    try {
      const entries = await readdir(this.place, { withFileTypes: true })
      return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw this.#failed(this.place, 'cannot be listed', error)
    }
  }

  async versions(file: string): Promise<readonly undefined[]> {
    return (await this.stat(file)) === undefined ? [] : [undefined]
  }

  async stat(file: string): Promise<FileStanding | undefined> {
    try {
      return { bytes: (await stat(join(this.place, file))).size }
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw this.#failed(file, 'cannot be looked at', error)
    }
  }

  async read(file: string): Promise<Buffer> {
    const { bytes = 0 } = (await this.stat(file)) ?? {}
    if (bytes > LONGEST_READ) throw archiveError(`${join(this.place, file)} is too long`)
    try {
      return await readFile(join(this.place, file))
    } catch (error) {
      throw this.#failed(file, 'cannot be read', error)
    }
  }

  async readAt(file: string, offset: number, length: number): Promise<Buffer> {
    let handle: FileHandle | undefined
    try {
      handle = await open(join(this.place, file), 'r')
      const bytes = Buffer.alloc(length)
      const { bytesRead } = await handle.read(bytes, 0, length, offset)
      if (bytesRead < length)
        throw archiveError(`${join(this.place, file)} is shorter than its manifest says`)
      return bytes
    } catch (error) {
      throw this.#failed(file, 'cannot be read', error)
    } finally {
      await handle?.close()
    }
  }

  async create(file: string): Promise<ArchiveFile> {
    const path = join(this.place, file)
    const directory = join(path, '..')
    try {
      await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE })
      const handle = await open(path, 'wx', FILE_MODE)
      return {
        write: async (bytes) => {
          for (let done = 0; done < bytes.length; ) {
            const { bytesWritten } = await handle.write(bytes, done).catch(async (error: unknown) => {
              await handle.close().catch(() => {})
              throw this.#failed(file, 'cannot be written', error)
            })
            done += bytesWritten
          }
        },
        close: async () => {
          try {
            await handle.sync()
            await handle.close()
            for (const name of [directory, this.place]) await syncDirectory(name)
            return undefined
          } catch (error) {
            throw this.#failed(file, 'cannot be written', error)
          }
        },
        // Closing it twice is an error, and then nothing is left to do.
        abandon: () => handle.close().catch(() => {}),
      }
    } catch (error) {
      throw this.#failed(file, 'cannot be written', error)
    }
  }

  async discard(folder: string): Promise<void> {
    try {
      await rm(join(this.place, folder), { recursive: true })
      await syncDirectory(this.place)
    } catch (error) {
      throw this.#failed(folder, 'cannot be removed', error)
    }
  }

  lockedBy(_lock: ObjectLock): never {
    throw archiveError(
      `${this.place} is a directory: only object storage can lock what is put there`,
      undefined,
      'Archive to s3://BUCKET/PREFIX, or leave the lock out.',
    )
  }

  async lockOf(): Promise<undefined> {
    return undefined
  }

  async mark(folder: string, _files: readonly FileVersion[], isHeld: boolean): Promise<Marking> {
    const file = `${folder}/${HELD_MARK}`
    try {
      if (isHeld) await writeFile(join(this.place, file), HELD_TEXT, { mode: FILE_MODE })
      else await rm(join(this.place, file), { force: true })
      await syncDirectory(join(this.place, folder))
      return 'mark'
    } catch (error) {
      throw this.#failed(file, 'cannot be written', error)
    }
  }

  #failed(file: string, problem: string, error: unknown): Error {
    if ((error as Error).name === 'AuditError') return error as Error
    const code = codeOf(error)
    return archiveError(`${join(this.place, file)} ${problem} (${code})`, error, REMEDIES.get(code))
  }
}

const HELD_TEXT =
  'A legal hold is about rows of this archive: do not delete it. `otel-audit hold list` shows the holds.\n'

/** The name of a file is the directory's to keep. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code)
}
