import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import type { Spool } from '../../src/spool/spool.js'
import { anEvent } from '../support/events.js'
import { waitUntil } from '../support/wait-until.js'
import { SpoolChild } from './child.js'
import { onlyProcessDirectory, permissionsBelow, temporaryDirectory } from './directories.js'

const MAX_BYTES = 1024 * 1024 * 1024

describe('a process that dies', () => {
  test('by SIGKILL in the middle of appends: all that was acknowledged is handed out by the next one, in order', async () => {
    const directory = temporaryDirectory()
    let acknowledged = 0
    for (const round of [1, 2, 3]) {
      const first = BigInt(round) * 1_000_000n
      const child = new SpoolChild(['append', directory, String(first)])
      await child.until('acked', 40 * round)
      await child.kill()
      const acked = child.said('acked').flatMap((line) => {
        const [from = '', count = ''] = line.split(' ')
        return Array.from({ length: Number(count) }, (_, i) => BigInt(from) + BigInt(i))
      })
      acknowledged += acked.length
      const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
      const found = await drain(spool)
      // At most the append that was being served may be there unacknowledged: as a whole.
      expect(found.slice(0, acked.length)).toEqual(acked)
      expect(found).toEqual(found.map((_, i) => first + BigInt(i)))
      expect(spool.status).toEqual({ entries: 0, bytes: 0, quarantined: 0 })
      await spool.close()
      expect(readdirSync(directory)).toEqual([])
    }
    expect(acknowledged).toBeGreaterThan(1000)
  })

  test('with what it had taken over: the next one takes it all, the oldest process first', async () => {
    const directory = temporaryDirectory()
    for (const start of ['1', '5001', '9001']) {
      const child = new SpoolChild(['hold', directory, start])
      await child.until('holds')
      await child.kill()
    }
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const found = await drain(spool)
    const from = (start: number): bigint[] => Array.from({ length: 1000 }, (_, i) => BigInt(start + i))
    expect(found).toEqual([...from(1), ...from(5001), ...from(9001)])
    await spool.close()
    expect(readdirSync(directory)).toEqual([])
  })

  test('is followed by the same events when it had them in its hands, and had not removed them', async () => {
    const directory = temporaryDirectory()
    const child = new SpoolChild(['open', directory, '7'])
    await child.until('open')
    await child.ended
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect((await spool.next(10)).map(({ event }) => event.auditId)).toEqual([7n])
    await spool.close()
    const next = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect((await next.next(10)).map(({ event }) => event.auditId)).toEqual([7n])
    await next.close()
  })

  test('in excess of the bound of the next one: everything is taken over, and appends are refused until there is room', async () => {
    const directory = temporaryDirectory()
    const child = new SpoolChild(['hold', directory, '1'])
    await child.until('holds')
    await child.kill()
    const spool = await openLmdbSpool({ directory, maxBytes: 10_000 })
    const next = anEvent()
    expect(spool.status.entries).toBe(1000)
    await expect(spool.append([next])).rejects.toMatchObject({ reason: 'full' })
    expect(await drain(spool)).toHaveLength(1000)
    expect(await spool.append([next])).toHaveLength(1)
    await spool.close()
  })
})

describe('processes that live', () => {
  test('do not get each other’s entries, also while the other is stopped', async () => {
    const directory = temporaryDirectory()
    const child = new SpoolChild(['hold', directory, '1'])
    await child.until('holds')
    child.process.kill('SIGSTOP')
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    await spool.takeOver()
    expect(await spool.next(10)).toEqual([])
    await child.kill()
    await waitUntil('what it left is taken over', async () => {
      await spool.takeOver()
      return spool.status.entries === 1000
    })
    await spool.close()
  })

  test('that go for the same dead ones at the same time get every entry once', async () => {
    const directory = temporaryDirectory()
    const dead = [1, 1001, 2001, 3001, 4001, 5001].map(
      (start) => new SpoolChild(['hold', directory, String(start)]),
    )
    await Promise.all(dead.map((child) => child.until('holds')))
    const takers = [1, 2, 3].map(() => new SpoolChild(['take', directory]))
    await Promise.all(dead.map((child) => child.kill()))
    const taken = (): string[] =>
      takers.flatMap((taker) => taker.said('took')).flatMap((line) => line.split(' '))
    await waitUntil('everything is taken', () => taken().length >= 6000)
    const expected = Array.from({ length: 6000 }, (_, i) => String(i + 1))
    const byNumber = (a: string, b: string): number => Number(a) - Number(b)
    expect(taken().sort(byNumber)).toEqual(expected)
    for (const taker of takers) taker.process.stdin.write('end\n')
    for (const taker of takers) expect(await taker.ended).toMatchObject({ code: 0 })
  })

  test('take nothing over once they are closed: it waits for one that lives', async () => {
    const directory = temporaryDirectory()
    const [closed, dead] = [
      await openLmdbSpool({ directory, maxBytes: MAX_BYTES }),
      await openLmdbSpool({ directory, maxBytes: MAX_BYTES }),
    ]
    for (const spool of [closed, dead]) await spool.putBack(await spool.append([anEvent()]))
    await dead.close()
    await closed.close()
    const left = permissionsBelow(directory)
    await closed.takeOver()
    expect(permissionsBelow(directory)).toEqual(left)
    const next = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(next.status.entries).toBe(2)
    await next.close()
  })

  test('end by themselves when they are idle, and leave what they hold', async () => {
    const directory = temporaryDirectory()
    const child = new SpoolChild(['open', directory, '1'])
    expect(await child.ended).toEqual({ code: 0, signal: null })
    expect(child.said('open')).toHaveLength(1)
    expect(child.stderr).toBe('')
    expect(readdirSync(onlyProcessDirectory(directory))).toContain('own')
  })
})

/** Takes everything out. @returns the audit ids, in the order in which they were handed out */
async function drain(spool: Spool): Promise<bigint[]> {
  const ids: bigint[] = []
  for (;;) {
    const read = await spool.next(333)
    if (read.length === 0) return ids
    ids.push(...read.map(({ event }) => event.auditId))
    await spool.remove(read.map(({ key }) => key))
  }
}
