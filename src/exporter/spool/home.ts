import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

const SOCKET = 'owner.sock'
const ADOPTED = 'adopted-'
/** A socket's path must fit into `sockaddr_un`: 108 bytes on Linux, 104 on macOS. */
const LONGEST_SOCKET_PATH = 103

/**
 * One process's own directory inside the spool directory.
 *
 * ```
 * <directory>/<uuid>/owner.sock      listens as long as the owner lives, and not a moment longer
 * <directory>/<uuid>/own/            its own environment
 * <directory>/<uuid>/adopted-<uuid>/ taken over from a dead process, by renaming
 * ```
 *
 * Whether an owner lives is asked of the kernel: a Unix socket refuses connections from the moment its process is dead,
 * however that died. Process ids would lie in containers, where every pid is 1 and a volume may be shared.
 *
 * A take-over is one rename *into* the home of a living process, so exactly one process gets it, and when that one dies
 * too, its home is taken over with all that is in it.
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
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await tighten(directory)
    const id = randomUUID()
    // Not to be seen by others before it is owned.
    const hidden = join(directory, `.${id}`)
    await mkdir(join(hidden, 'own'), { recursive: true, mode: 0o700 })
    const owner = await listen(join(hidden, SOCKET))
    const path = join(directory, id)
    await rename(hidden, path)
    return new SpoolHome(directory, path, owner)
  }

  get ownEnvironment(): string {
    return join(this.path, 'own')
  }

  /** Takes over what dead processes left. @returns the directories of their environments */
  async adopt(): Promise<string[]> {
    const adopted: string[] = []
    for (const home of await homes(this.#directory)) {
      if (home === this.path || (await isOwned(home))) continue
      for (const environment of await environments(home)) {
        const taken = join(this.path, `${ADOPTED}${randomUUID()}`)
        // Somebody else was faster: it is theirs.
        if (await renamed(environment, taken)) adopted.push(taken)
      }
      await rm(join(home, SOCKET), { force: true })
      await removeIfEmpty(home)
    }
    return adopted
  }

  /** Gives the home up; what is still in it waits for the next process. */
  async leave(): Promise<void> {
    await new Promise<void>((resolve) => this.#owner.close(() => resolve()))
    await rm(join(this.path, SOCKET), { force: true })
    await removeIfEmpty(this.path)
  }
}

/** The homes in a spool directory, dead or alive. */
export async function homes(directory: string): Promise<string[]> {
  const names = await readdir(directory, { withFileTypes: true })
  return names.filter((e) => e.isDirectory() && !e.name.startsWith('.')).map((e) => join(directory, e.name))
}

/** The environments in a home: its own one, and those that it took over. */
export async function environments(home: string): Promise<string[]> {
  const names = await readdir(home, { withFileTypes: true }).catch(() => [])
  return names
    .filter((e) => e.isDirectory() && (e.name === 'own' || e.name.startsWith(ADOPTED)))
    .map((e) => join(home, e.name))
}

/** Whether the process that owns a home is alive. */
export function isOwned(home: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(home, SOCKET))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Refused or gone: dead. Anything else (no permission, too many files) proves nothing, and must not be taken over.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

async function listen(path: string): Promise<Server> {
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    throw new Error(
      `the path of the spool directory is too long: ${path} is over ${LONGEST_SOCKET_PATH} bytes`,
    )
  }
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  server.unref()
  await chmod(path, 0o600)
  return server
}

/** What others may read or write is closed to them: the spool holds what the table holds. */
async function tighten(directory: string): Promise<void> {
  const { mode } = await stat(directory)
  if ((mode & 0o077) !== 0) await chmod(directory, 0o700)
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function removeIfEmpty(home: string): Promise<void> {
  const left = await environments(home)
  if (left.length === 0) await rm(home, { recursive: true, force: true })
}
