import { wallClock } from '../../host/globals.js'
import { randomBytes } from '../../host/crypto.js'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { invariant } from '../../host/invariant.js'
import {
  processDirectoriesIn,
  prepareDirectory,
  syncDirectory,
  syncWithParents,
  unfinishedDirectoriesIn,
} from './directory.js'
import { announceAlive, livenessOf, removeSocket } from './liveness.js'

/** Names on disk, which processes of another version know: they do not change. */
const OWN = 'own'
const TAKEN_OVER = 'adopted-'
const DAMAGED = 'damaged-'
/** A directory that takes longer to be made is that of a dead process. */
const UNFINISHED_MS = 3_600_000

/**
 * One process's own directory inside the spool directory.
 *
 * ```
 * <directory>/<id>/owner.sock    listens as long as the process lives, and not a moment longer
 * <directory>/<id>/own/          its own environment
 * <directory>/<id>/adopted-<id>/ the environment of a dead process, taken over by renaming
 * <directory>/damaged-<id>/      an environment that could not be read, with the reason in a file
 * ```
 *
 * Exactly one living process has an environment: a take-over is one rename *into* the directory of a living process, so
 * one of several gets it, and when that one dies too, its directory is taken over with all that is in it. A directory
 * is removed with `rmdir`, which fails while something is in it.
 */
export class ProcessDirectory {
  readonly path: string
  readonly #directory: string
  readonly #socket: Server

  private constructor(directory: string, path: string, socket: Server) {
    this.#directory = directory
    this.path = path
    this.#socket = socket
  }

  /** Makes a directory for this process, which has it until {@link leave} or its end. */
  static async claim(directory: string): Promise<ProcessDirectory> {
    await prepareDirectory(directory)
    const id = `${wallClock().toString(36).padStart(9, '0')}-${randomBytes(4).toString('hex')}`
    // Others must not see it before this process is alive in it: they would take it over.
    const unfinished = join(directory, `.${id}`)
    await mkdir(join(unfinished, OWN), { recursive: true, mode: 0o700 })
    try {
      const socket = await announceAlive(unfinished)
      const path = join(directory, id)
      await rename(unfinished, path)
      return new ProcessDirectory(directory, path, socket)
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
   * Moves what dead processes left into this directory. One that fails does not stop the others.
   *
   * @returns the environments in this directory but its own
   */
  async takeOver(onFault: (processDirectory: string, error: unknown) => void): Promise<string[]> {
    for (const other of await processDirectoriesIn(this.#directory)) {
      if (other === this.path || (await livenessOf(other)) !== 'dead') continue
      await this.#takeOverFrom(other).catch((error: unknown) => onFault(other, error))
    }
    for (const unfinished of await unfinishedDirectoriesIn(this.#directory)) {
      await removeUnfinished(unfinished).catch((error: unknown) => onFault(unfinished, error))
    }
    const all = await environmentsIn(this.path)
    return all.filter((path) => path !== this.ownEnvironment)
  }

  /** Moves a damaged environment to where no process takes it over, with the reason. @returns where it is */
  async setAside(environment: string, reason: string): Promise<string> {
    const isTakenOver = dirname(environment) === this.path && basename(environment).startsWith(TAKEN_OVER)
    invariant(isTakenOver, 'only an environment that this process took over is set aside')
    const aside = join(this.#directory, `${DAMAGED}${basename(environment).slice(TAKEN_OVER.length)}`)
    await writeFile(join(environment, 'reason'), `${reason}\n`, { mode: 0o600 })
    await rename(environment, aside)
    await syncDirectory(this.#directory)
    return aside
  }

  /** Leaves the directory; what is still in it waits for the next process. */
  async leave(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
    await removeIfEmpty(this.ownEnvironment)
    await removeDirectory(this.path)
  }

  async #takeOverFrom(other: string): Promise<void> {
    for (const environment of await environmentsIn(other)) {
      const name = basename(environment)
      const taken = join(this.path, name === OWN ? `${TAKEN_OVER}${basename(other)}` : name)
      // Another process was faster: it has it.
      if (!(await renamed(environment, taken))) continue
      // Its process died before it made the file.
      if (!existsSync(join(taken, 'data.mdb'))) await rm(taken, { recursive: true, force: true })
    }
    await removeDirectory(other)
  }
}

/** The environments in a process's directory, in the order in which the processes started that filled them: its own last. */
export async function environmentsIn(processDirectory: string): Promise<string[]> {
  const entries = await readdir(processDirectory, { withFileTypes: true }).catch(unlessGone([]))
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return names
    .filter((name) => name === OWN || name.startsWith(TAKEN_OVER))
    .sort()
    .map((name) => join(processDirectory, name))
}

async function removeUnfinished(processDirectory: string): Promise<void> {
  const { mtimeMs } = await stat(processDirectory)
  if (wallClock() - mtimeMs < UNFINISHED_MS || (await livenessOf(processDirectory)) !== 'dead') return
  await removeIfEmpty(join(processDirectory, OWN))
  await removeDirectory(processDirectory)
}

/** Nothing but the socket may be in it; else it stays. */
async function removeDirectory(processDirectory: string): Promise<void> {
  await removeSocket(processDirectory)
  await removeIfEmpty(processDirectory)
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
