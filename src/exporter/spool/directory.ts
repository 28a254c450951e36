import { chmod, mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Names in a spool directory: homes sort by the time at which their processes started. */
const HOME = /^[0-9a-z]{9}-[0-9a-f]{8}$/
const UNFINISHED_HOME = /^\.[0-9a-z]{9}-[0-9a-f]{8}$/
const DAMAGED = /^damaged-/

/**
 * Makes the spool directory with 0700, or checks the one that is there: its owner must be the user of this process, and
 * nobody else may have access to it, for what is in it is what is in the table, and is taken for our own. One that is
 * wider is tightened when it is empty or a spool, and refused when it is anything else.
 *
 * @throws Error that says what to do
 */
export async function prepareDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { uid, mode } = await stat(directory)
  const user = process.getuid?.() ?? uid
  if (uid !== user) {
    throw new Error(
      `${directory} belongs to user ${uid}, and this process is user ${user}: give each user its own directory`,
    )
  }
  if ((mode & 0o077) === 0) return
  const others = (await readdir(directory)).filter((name) => !isOurs(name))
  if (others.length > 0) {
    const permissions = (mode & 0o777).toString(8).padStart(4, '0')
    throw new Error(
      `${directory} has permissions ${permissions}, and other things are in it: name a directory of its own, or chmod it to 0700`,
    )
  }
  await chmod(directory, 0o700)
}

/** The homes in a spool directory, dead or alive, those of the processes that started first in front. */
export function homesIn(directory: string): Promise<string[]> {
  return named(directory, HOME)
}

/** Homes that are being made, or whose process died while it made them. */
export function unfinishedHomesIn(directory: string): Promise<string[]> {
  return named(directory, UNFINISHED_HOME)
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

function isOurs(name: string): boolean {
  return HOME.test(name) || UNFINISHED_HOME.test(name) || DAMAGED.test(name)
}
