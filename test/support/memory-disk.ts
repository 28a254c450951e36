import { randomBytes } from 'node:crypto'
import { readFileSync, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'

/** Where Linux has a file system in memory. */
const MOUNT = '/dev/shm'

/** What must be free there, and in memory: several times what a whole run had there at any moment. */
const SPACE_BYTES = 4 * 2 ** 30

/**
 * The path of a directory in memory, yet to be made, for the temporary files of a run: clusters and spools. `undefined`
 * when the machine has no room for it; a container often has 64 MB.
 *
 * Nothing is less durable for a test: every `fsync` is still asked for, and what a test ends is processes, never the
 * machine, so that what they wrote is there afterwards either way. A commit costs microseconds instead of a
 * millisecond, and a new cluster a fifth: the run writes 36 GB.
 */
export function memoryDisk(): string | undefined {
  if (!isSpacious() || !mayRunPrograms()) return undefined
  // Short: the path of a socket, which a spool has below it, may be of 107 bytes.
  return join(MOUNT, `audit-${randomBytes(4).toString('hex')}`)
}

function isSpacious(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MOUNT)
    return bavail * bsize >= SPACE_BYTES && freemem() >= 2 * SPACE_BYTES
  } catch {
    return false
  }
}

/** The launcher may have to copy the binaries of Postgres to it. */
function mayRunPrograms(): boolean {
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(([, at]) => at === MOUNT)
  return mount !== undefined && mount[3]?.split(',').includes('noexec') === false
}
