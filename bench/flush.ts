import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { median } from './statistics.js'

const PAGE_BYTES = 8192
const FLUSHES = 300

/**
 * Median time in ms in which the disk makes one page of WAL durable (`fdatasync`): what a commit waits for at least, and what
 * commits that are grouped share.
 *
 * @param directory on the disk of the database
 */
export async function flushMs(directory: string): Promise<number> {
  const path = join(directory, 'bench-flush.tmp')
  const file = await open(path, 'wx')
  try {
    const page = Buffer.alloc(PAGE_BYTES, 1)
    const times: number[] = []
    // As in a WAL segment: the file has its size already.
    await file.write(Buffer.alloc(PAGE_BYTES * FLUSHES), 0)
    await file.datasync()
    for (let n = 0; n < FLUSHES; n++) {
      const began = performance.now()
      await file.write(page, 0, PAGE_BYTES, n * PAGE_BYTES)
      await file.datasync()
      times.push(performance.now() - began)
    }
    return median(times)
  } finally {
    await file.close()
    await rm(path)
  }
}
