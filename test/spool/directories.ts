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

/** The directory of the only process in a spool directory. */
export function onlyProcessDirectory(directory: string): string {
  const names = readdirSync(directory).filter((name) => /^[0-9a-z]{9}-/.test(name))
  if (names.length !== 1) throw new Error(`${names.length} processes in ${directory}`)
  return join(directory, names[0] ?? '')
}
