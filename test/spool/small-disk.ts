import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Longest file of a disk that is full, where it is only said to be. */
const LIMIT_BYTES = 16 * 1024 * 1024

/** A place that can be full. */
export interface SmallDisk {
  readonly directory: string
  /** Whether it is a file system of its own. */
  readonly isMounted: boolean
  /** From now on no file gets longer; as much as was there may be written again. */
  fill(): void
  /** There is space again. */
  clear(): void
}

/** A file system of its own; where this user may not mount one, a limit on the files that this process writes. */
export function smallDisk(megabytes: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'small-disk-'))
  const mounted = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${megabytes}m,mode=0700`,
    'tmpfs',
    directory,
  ])
  onTestFinished(() => {
    if (mounted.status === 0) spawnSync('umount', ['-l', directory])
    else limitFiles('unlimited')
    rmSync(directory, { recursive: true, force: true })
  })
  const filler = join(directory, 'filler')
  const isMounted = mounted.status === 0
  if (isMounted) return { directory, isMounted, fill: () => takeAll(filler), clear: () => rmSync(filler) }
  return { directory, isMounted, fill: () => limitFiles(LIMIT_BYTES), clear: () => limitFiles('unlimited') }
}

/** Before a command: no file may become longer than that. `ulimit -f` counts in 512 bytes. */
export function withFilesUpTo(bytes: number): readonly string[] {
  return ['sh', '-c', `ulimit -f ${Math.floor(bytes / 512)}; exec "$@"`, 'sh']
}

function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])
}

function takeAll(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2))
      writeAll(file, Buffer.alloc(size, 0x2e))
  } finally {
    closeSync(file)
  }
}

function writeAll(file: number, bytes: Buffer): void {
  try {
    while (writeSync(file, bytes) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
