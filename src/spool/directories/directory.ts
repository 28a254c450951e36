import { constants, type Stats } from 'node:fs'
import { access, chmod, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorText } from '../../host/error-text.js'

/** Names in a spool directory: those of the processes' directories sort by the time at which the processes started. */
const PROCESS_DIRECTORY = /^[0-9a-z]{9}-[0-9a-f]{8}$/
const UNFINISHED = /^\.[0-9a-z]{9}-[0-9a-f]{8}$/
const DAMAGED = /^damaged-/

/**
 * Looks at a spool directory as the process that is to use it, and changes nothing: it must belong to the user of
 * this process, and no other user may have access to it: it holds what the table holds, and what is read from it is
 * trusted.
 *
 * @returns `missing` when it can be made, `wide` when others have access, and it may be tightened: it is empty, or a spool
 * @throws Error that says what to do
 */
export async function inspectDirectory(directory: string): Promise<'missing' | 'wide' | 'fit'> {
  const { path, stats } = await nearestExisting(directory)
  if (!stats.isDirectory()) {
    const code = path === directory ? 'EEXIST' : 'ENOTDIR'
    throw new Error(`${path} is a file (${code}): name another spool directory, or move the file away`)
  }
  if (path !== directory) {
    await mayUse(path, constants.W_OK | constants.X_OK, directory)
    return 'missing'
  }
  const { uid, mode } = stats
  const user = process.getuid?.() ?? uid
  if (uid !== user) {
    throw new Error(
      `${directory} belongs to user ${uid}, and this process is user ${user}: give each user its own directory, ${asRoot(directory)}`,
    )
  }
  await mayUse(directory, constants.R_OK | constants.W_OK | constants.X_OK, directory)
  if ((mode & 0o077) === 0) return 'fit'
  const others = (await readdir(directory)).filter((name) => !isOfSpool(name))
  if (others.length > 0) {
    const permissions = (mode & 0o7777).toString(8).padStart(4, '0')
    throw new Error(
      `${directory} has permissions ${permissions}, and holds other files: give the spool a directory of its own, or chmod it to 0700`,
    )
  }
  return 'wide'
}

/**
 * Makes the spool directory with 0700, or tightens the one that is there.
 *
 * @throws Error that says what to do
 */
export async function prepareDirectory(directory: string): Promise<void> {
  const isMissing = (await inspectDirectory(directory)) === 'missing'
  if (isMissing) await mkdir(directory, { recursive: true, mode: 0o700 })
  // Another process may have made it meanwhile.
  if ((await inspectDirectory(directory)) === 'wide') await chmod(directory, 0o700)
}

/** The directory itself, or what of its path is there. */
export async function nearestExisting(directory: string): Promise<{ path: string; stats: Stats }> {
  for (let path = directory; ; path = dirname(path)) {
    try {
      return { path, stats: await stat(path) }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if ((code !== 'ENOENT' && code !== 'ENOTDIR') || path === dirname(path)) {
        throw cannotBeUsed(directory, error)
      }
    }
  }
}

async function mayUse(path: string, rights: number, directory: string): Promise<void> {
  try {
    await access(path, rights)
  } catch (error) {
    throw cannotBeUsed(directory, error)
  }
}

function cannotBeUsed(directory: string, error: unknown): Error {
  const message = errorText(error)
  return new Error(`${directory} cannot be used (${message}): name another, ${asRoot(directory)}`)
}

/** Right for a directory that is there, too, and leaves those above it alone. */
function asRoot(directory: string): string {
  return `or as root: install -d -m 700 -o ${process.getuid?.() ?? '<user of the service>'} ${directory}`
}

/** The directories of processes in a spool directory, dead or alive, in the order in which the processes started. */
export function processDirectoriesIn(directory: string): Promise<string[]> {
  return named(directory, PROCESS_DIRECTORY)
}

/** Those that are being made, or whose process died while it made them. */
export function unfinishedDirectoriesIn(directory: string): Promise<string[]> {
  return named(directory, UNFINISHED)
}

/** Environments that were set aside, because they are damaged. */
export function damagedIn(directory: string): Promise<string[]> {
  return named(directory, DAMAGED)
}

/** That a name is in a directory survives a power loss only when the directory is on disk, too. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export async function syncWithParents(...directories: readonly string[]): Promise<void> {
  for (const directory of directories) await syncDirectory(directory)
  const top = directories.at(-1)
  if (top !== undefined) await syncDirectory(dirname(top)).catch(() => {})
}

async function named(directory: string, pattern: RegExp): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  const names = entries
    .filter((entry) => entry.isDirectory() && pattern.test(entry.name))
    .map(({ name }) => name)
  return names.sort().map((name) => join(directory, name))
}

function isOfSpool(name: string): boolean {
  return PROCESS_DIRECTORY.test(name) || UNFINISHED.test(name) || DAMAGED.test(name)
}
