import { execFile } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { serverAccount, temporaryDirectory } from '../../src/cli/run/embedded/account.js'
import { installedBinaries, runnableBinaries } from '../../src/cli/run/embedded/binaries.js'

const run = promisify(execFile)
const account = serverAccount()
let directory: string
let installed: string

/** The package as npm leaves it where install scripts are blocked, at a path with a space in it. */
beforeEach(async () => {
  directory = await mkdtemp(join(temporaryDirectory(account), 'otel-audit binaries '))
  await chmod(directory, 0o755)
  installed = join(directory, 'package')
  await cp(installedBinaries(), installed, { recursive: true, verbatimSymlinks: true })
  await removeSymlinks(join(installed, 'lib'))
})

afterEach(async () => {
  await chmod(join(installed, 'lib'), 0o755)
  await rm(directory, { recursive: true })
})

test('binaries whose symbolic links are missing get them, and run where they are', async () => {
  await expect(version(installed)).rejects.toThrow('shared libraries')
  expect(await runnableBinaries(installed, account, join(directory, 'copy'))).toBe(installed)
  expect(await version(installed)).toContain('PostgreSQL')
})

test('binaries that cannot run where they are are copied, whatever the umask', async () => {
  // Root writes where it wants, but its server is another account's.
  if (account.uid === undefined) await chmod(join(installed, 'lib'), 0o555)
  else await chmod(installed, 0o700)
  const copy = join(directory, 'copy')
  const umask = process.umask(0o077)
  try {
    expect(await runnableBinaries(installed, account, copy)).toBe(copy)
  } finally {
    process.umask(umask)
  }
  expect(await version(copy)).toContain('PostgreSQL')
})

test('a copy does not depend on who may read the original', async () => {
  await chmod(join(installed, 'share', 'postgresql', 'postgres.bki'), 0o600)
  await chmod(join(installed, 'bin', 'postgres'), 0o700)
  await chmod(join(installed, 'lib'), account.uid === undefined ? 0o555 : 0o700)
  const copy = await runnableBinaries(installed, account, join(directory, 'copy'))
  const data = join(directory, 'data')
  await mkdir(data)
  if (account.uid !== undefined) await chown(data, account.uid, account.gid)
  await run(join(copy, 'bin', 'initdb'), ['-D', data, '--no-sync'], { ...account, cwd: '/' })
})

test('binaries that run nowhere are an error that says why', async () => {
  await rm(join(installed, 'pg-symlinks.json'))
  await expect(runnableBinaries(installed, account, join(directory, 'copy'))).rejects.toThrow(
    'shared libraries',
  )
})

async function version(binaries: string): Promise<string> {
  const { stdout } = await run(join(binaries, 'bin', 'postgres'), ['--version'], { ...account, cwd: '/' })
  return stdout
}

async function removeSymlinks(from: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) await rm(join(from, entry.name))
  }
}
