import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A directory that is gone after the test, whatever became of its permissions. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'spool-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  chmodSync(directory, 0o700)
  return directory
}

/** Everything below a directory, with its permissions in octal: `own/data.mdb 600`. */
export function permissionsBelow(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true }) as string[]
  return names.map((name) => `${name} ${(statSync(join(directory, name)).mode & 0o777).toString(8)}`).sort()
}

/** The only home in a spool directory. */
export function onlyHome(directory: string): string {
  const homes = readdirSync(directory).filter((name) => /^[0-9a-z]{9}-/.test(name))
  if (homes.length !== 1) throw new Error(`${homes.length} homes in ${directory}`)
  return join(directory, homes[0] ?? '')
}
