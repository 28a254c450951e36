import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A place for archives, as somebody has it who may do anything there. Files are named `<folder>/<name>`. */
export interface Place {
  /** As the command line takes it. */
  readonly name: string
  /** Those that are seen, in ascending order. */
  files(): Promise<readonly string[]>
  read(file: string): Promise<Buffer>
  /** Nothing is left of what was there. */
  write(file: string, bytes: Uint8Array): Promise<void>
  remove(file: string): Promise<void>
}

/** One that keeps versions: what is hidden is still there. */
export interface VersionedPlace extends Place {
  /** Puts a newer version over a file. */
  cover(file: string, bytes: Uint8Array): Promise<void>
  /** Deletes a file by its name: a delete marker. */
  hide(file: string): Promise<void>
  /** Takes off what was put over a file last. */
  reveal(file: string): Promise<void>
}

/** Where archives of the drill are put. */
export interface Store {
  /** In words. */
  readonly kind: string
  /** What commands need to get there. */
  readonly env: Readonly<Record<string, string>>
  /** Its place for the archives of a trail, which has a directory of its own. */
  placeOf(trail: string, directory: string): Place
  close(): void
}

export class DirectoryStore implements Store {
  readonly kind = 'a directory'
  readonly env = {}

  placeOf(_trail: string, directory: string): Place {
    return new DirectoryPlace(join(directory, 'archive'))
  }

  close(): void {}
}

class DirectoryPlace implements Place {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  async files(): Promise<readonly string[]> {
    const entries = await readdir(this.name, { recursive: true, withFileTypes: true }).catch(() => [])
    return entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(this.name.length + 1))
      .toSorted()
  }

  read(file: string): Promise<Buffer> {
    return readFile(join(this.name, file))
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    await mkdir(dirname(join(this.name, file)), { recursive: true })
    await writeFile(join(this.name, file), bytes)
  }

  async remove(file: string): Promise<void> {
    await rm(join(this.name, file))
    await rmdir(dirname(join(this.name, file))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY') throw error
    })
  }
}

/** Names of the folders of a place, in ascending order. */
export async function foldersOf(place: Place): Promise<readonly string[]> {
  return [...new Set((await place.files()).map((file) => file.split('/')[0] ?? ''))]
}

/** Names of the files of a folder. */
export async function filesOf(place: Pick<Place, 'files'>, folder: string): Promise<readonly string[]> {
  const files = await place.files()
  return files.filter((file) => file.startsWith(`${folder}/`)).map((file) => file.slice(folder.length + 1))
}
