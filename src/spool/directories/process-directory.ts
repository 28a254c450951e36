import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import type { Server } from 'node:net'
import { basename, join } from 'node:path'
import { homesIn, prepareDirectory, syncDirectory, syncWithParents, unfinishedHomesIn } from './directory.js'
import { own, ownerOf, removeSocket } from './liveness.js'

const OWN = 'own'
const ADOPTED = 'adopted-'
const DAMAGED = 'damaged-'
/** A home that takes longer to be made is that of a dead process. */
const UNFINISHED_MS = 3_600_000

/**
 * One process's own directory inside the spool directory.
 *
 * ```
 * <directory>/<id>/owner.sock    listens as long as the owner lives, and not a moment longer
 * <directory>/<id>/own/          its own environment
 * <directory>/<id>/adopted-<id>/ the environment of a dead process, taken over by renaming
 * <directory>/damaged-<id>/      an environment that could not be read, with the reason in a file
 * ```
 *
 * A take-over is one rename *into* the home of a living process, so exactly one process gets it, and when that one dies
 * too, its home is taken over with all that is in it. A home is removed with `rmdir`, which takes nothing along.
 */
export class SpoolHome {
  readonly path: string
  readonly #directory: string
  readonly #owner: Server

  private constructor(directory: string, path: string, owner: Server) {
    this.#directory = directory
    this.path = path
    this.#owner = owner
  }

  /** Makes a home, and owns it until {@link leave} or the end of the process. */
  static async claim(directory: string): Promise<SpoolHome> {
    await prepareDirectory(directory)
    const id = `${Date.now().toString(36).padStart(9, '0')}-${randomBytes(4).toString('hex')}`
    // Not to be seen by others before it is owned.
    const unfinished = join(directory, `.${id}`)
    await mkdir(join(unfinished, OWN), { recursive: true, mode: 0o700 })
    try {
      const owner = await own(unfinished)
      const path = join(directory, id)
      await rename(unfinished, path)
      return new SpoolHome(directory, path, owner)
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
  }

  get ownEnvironment(): string {
    return join(this.path, OWN)
  }

  /** After the own environment was made: its files are found again after a power loss. */
  sync(): Promise<void> {
    return syncWithParents(this.ownEnvironment, this.path, this.#directory)
  }

  /**
   * Moves what dead processes left into this home. A home that fails does not stop the others.
   *
   * @returns the environments in this home but its own
   */
  async takeOver(onFault: (home: string, error: unknown) => void): Promise<string[]> {
    for (const home of await homesIn(this.#directory)) {
      if (home === this.path || (await ownerOf(home)) !== 'dead') continue
      await this.#takeOverFrom(home).catch((error: unknown) => onFault(home, error))
    }
    for (const home of await unfinishedHomesIn(this.#directory)) {
      await removeUnfinished(home).catch((error: unknown) => onFault(home, error))
    }
    const all = await environmentsIn(this.path)
    return all.filter((path) => path !== this.ownEnvironment)
  }

  /** Moves a damaged environment to where nobody takes it over, with the reason. @returns where it is */
  async setAside(environment: string, reason: string): Promise<string> {
    const aside = join(this.#directory, `${DAMAGED}${basename(environment).slice(ADOPTED.length)}`)
    await writeFile(join(environment, 'reason'), `${reason}\n`, { mode: 0o600 })
    await rename(environment, aside)
    await syncDirectory(this.#directory)
    return aside
  }

  /** Gives the home up; what is still in it waits for the next process. */
  async leave(): Promise<void> {
    await new Promise<void>((resolve) => this.#owner.close(() => resolve()))
    await removeIfEmpty(this.ownEnvironment)
    await removeHome(this.path)
  }

  async #takeOverFrom(home: string): Promise<void> {
    for (const environment of await environmentsIn(home)) {
      const name = basename(environment)
      const taken = join(this.path, name === OWN ? `${ADOPTED}${basename(home)}` : name)
      // Somebody else was faster: it is theirs.
      if (!(await renamed(environment, taken))) continue
      // Its process died before it made one.
      if (!existsSync(join(taken, 'data.mdb'))) await rm(taken, { recursive: true, force: true })
    }
    await removeHome(home)
  }
}

/** The environments in a home, in the order in which their processes started: the own one, which is the youngest, last. */
export async function environmentsIn(home: string): Promise<string[]> {
  const entries = await readdir(home, { withFileTypes: true }).catch(unlessGone([]))
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return names
    .filter((name) => name === OWN || name.startsWith(ADOPTED))
    .sort()
    .map((name) => join(home, name))
}

async function removeUnfinished(home: string): Promise<void> {
  const { mtimeMs } = await stat(home)
  if (Date.now() - mtimeMs < UNFINISHED_MS || (await ownerOf(home)) !== 'dead') return
  await removeIfEmpty(join(home, OWN))
  await removeHome(home)
}

/** Nothing but the socket may be in it; else it stays. */
async function removeHome(home: string): Promise<void> {
  await removeSocket(home)
  await removeIfEmpty(home)
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  return await rename(from, to).then(() => true, unlessGone(false))
}

function unlessGone<T>(otherwise: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return otherwise
    throw error
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
