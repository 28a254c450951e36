import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type LmdbSpool, openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import type { AuditEvent } from '../../src/event/event.js'
import type { SpoolKey } from '../../src/spool/spool.js'
import { anEvent } from '../support/events.js'
import { SpoolChild } from './child.js'
import { temporaryDirectory } from './directories.js'
import { smallDisk, withFilesUpTo } from './small-disk.js'

const MAX_BYTES = 1024 * 1024 * 1024
const MIB = 1024 * 1024

describe('a disk that is full', () => {
  test('refuses appends, frees what is removed, and takes appends again: in a process that goes on', async () => {
    const { directory } = smallDisk(24)
    await expectToGoOn(
      new SpoolChild(['fill', join(directory, 'spool'), '1'], process.env, withFilesUpTo(20 * MIB)),
    )
  })

  test('is reached through a limit on the size of files, too', async () => {
    const child = new SpoolChild(['fill', temporaryDirectory(), '1'], process.env, withFilesUpTo(12 * MIB))
    await expectToGoOn(child)
    expect(child.said('message')[0]).toContain('EFBIG')
  })

  test('filled by another process: nothing of a refused append is left, removal and quarantine work on', async () => {
    const disk = smallDisk(24)
    const directory = join(disk.directory, 'spool')
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const kept: Kept[] = []
    for (let round = 0; round < 40; round++) kept.push(...(await appendTo(spool, 97)))
    disk.fill()
    // What the file has room for already is taken; then not one more, and nothing of those that are refused.
    for (const size of [512, 64, 1]) {
      const refusal = await appendUntilRefused(spool, size, kept)
      expect(refusal).toMatchObject({ name: 'SpoolRefusal', reason: 'unavailable' })
    }
    expect(spool.status.entries).toBe(kept.length)
    await spool.putBack(kept.map(({ key }) => key))
    const read = await spool.next(kept.length + 1)
    expect(read.map(({ event }) => event)).toEqual(kept.map(({ event }) => event))
    await spool.quarantine(read[0]?.key ?? 0, 'refused')
    // Scattered over all pages, so that as much as possible is written; then all at once.
    const rest = read.slice(1)
    for (let at = 0; at < 9; at++)
      await spool.remove(rest.filter((_, i) => i % 10 === at).map(({ key }) => key))
    await spool.remove(rest.map(({ key }) => key))
    expect(spool.status).toMatchObject({ entries: 0, quarantined: 1 })
    await appendTo(spool, 64)
    disk.clear()
    await appendTo(spool, 512)
    await spool.close()
    const next = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(next.status).toMatchObject({ entries: 576, quarantined: 1 })
    await next.close()
  })

  test('at the start is an error of the option, and not the end of the process', async () => {
    const disk = smallDisk(1)
    disk.fill()
    const child = new SpoolChild(
      ['open', join(disk.directory, 'spool'), '1'],
      process.env,
      withFilesUpTo(MIB),
    )
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(child.said('open')).toEqual([])
    expect(child.said('failed')[0]).toMatch(/^AUDIT_INVALID_OPTION /)
  })
})

interface Kept {
  readonly key: SpoolKey
  readonly event: AuditEvent
}

async function expectToGoOn(child: SpoolChild): Promise<void> {
  expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
  expect(child.said('refused')).toEqual(['unavailable'])
  expect(child.said('entries')).toEqual(['0'])
  expect(child.said('appended')).toEqual(['64'])
  expect(child.said('closed')).toHaveLength(1)
  // The engine writes to standard error when it meets a full disk itself.
  expect(child.stderr).toBe('')
}

async function appendUntilRefused(spool: LmdbSpool, size: number, kept: Kept[]): Promise<unknown> {
  for (;;) {
    try {
      kept.push(...(await appendTo(spool, size)))
    } catch (error) {
      return error
    }
  }
}

async function appendTo(spool: LmdbSpool, count: number): Promise<Kept[]> {
  const events = Array.from({ length: count }, () => anEvent({ notes: 'n'.repeat(300) }))
  const keys = await spool.append(events)
  return events.map((event, i) => ({ key: keys[i] ?? 0, event }))
}
