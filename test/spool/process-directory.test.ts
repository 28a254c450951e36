import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ProcessDirectory } from '../../src/spool/directories/process-directory.js'
import { livenessOf } from '../../src/spool/directories/liveness.js'
import { temporaryDirectory } from './directories.js'

const HOURS = 3_600_000

describe('the directory of a process', () => {
  test('is alive while its process lives, dead when it was left, and gone when nothing is in it', async () => {
    const directory = temporaryDirectory()
    const own = await claim(directory)
    expect(await livenessOf(own.path)).toBe('alive')
    writeFileSync(join(own.ownEnvironment, 'data.mdb'), '')
    await own.leave()
    expect(await livenessOf(own.path)).toBe('dead')
    expect(readdirSync(own.path)).toEqual(['own'])
    const empty = await claim(directory)
    await empty.leave()
    expect(existsSync(empty.path)).toBe(false)
  })

  test('whose process cannot be asked is not taken over', async () => {
    const directory = temporaryDirectory()
    const dead = deadDirectory(directory, '000000001-00000000', ['own'])
    // A loop of links: neither refused nor missing, and the same for root.
    symlinkSync('owner.sock', join(dead, 'owner.sock'))
    expect(await livenessOf(dead)).toBe('unknown')
    const own = await claim(directory)
    expect(await takeOver(own)).toEqual([])
    expect(readdirSync(dead)).toContain('own')
  })

  test('is taken over from wherever its process died: own, taken over, without a socket, half taken over', async () => {
    const directory = temporaryDirectory()
    const first = deadDirectory(directory, '000000001-00000000', ['own', 'adopted-000000000-00000000'])
    // One that died after it had taken over a part of another dead one.
    deadDirectory(directory, '000000002-00000000', ['adopted-000000000-11111111'])
    // One that died while it was leaving: all is gone but the directory.
    mkdirSync(join(directory, '000000003-00000000'), { mode: 0o700 })
    // One that died before it had made its file.
    mkdirSync(join(directory, '000000004-00000000/own'), { recursive: true, mode: 0o700 })
    const own = await claim(directory)
    expect(await takeOver(own)).toEqual([
      'adopted-000000000-00000000',
      'adopted-000000000-11111111',
      'adopted-000000001-00000000',
    ])
    expect(existsSync(first)).toBe(false)
    expect(readdirSync(directory)).toEqual([own.path.slice(directory.length + 1)])
    // What this one leaves is the next one's, under the same names.
    await own.leave()
    const next = await claim(directory)
    expect(await takeOver(next)).toHaveLength(3)
  })

  test('with something unknown in it stays, and does not stop the others', async () => {
    const directory = temporaryDirectory()
    const odd = deadDirectory(directory, '000000001-00000000', ['own', 'something-else'])
    deadDirectory(directory, '000000002-00000000', ['own'])
    // What it should be renamed to is there already: that fails, for this one.
    const own = await claim(directory)
    mkdirSync(join(own.path, 'adopted-000000001-00000000/x'), { recursive: true })
    const faults: string[] = []
    await own.takeOver((path) => faults.push(path))
    expect(faults).toEqual([odd])
    expect(readdirSync(odd).sort()).toEqual(['own', 'something-else'])
    expect(readdirSync(own.path)).toContain('adopted-000000002-00000000')
  })

  test('that is being made is left alone; one that was never finished is removed', async () => {
    const directory = temporaryDirectory()
    const young = join(directory, '.000000001-00000000')
    const old = join(directory, '.000000002-00000000')
    const owned = join(directory, '.000000003-00000000')
    for (const path of [young, old, owned]) mkdirSync(join(path, 'own'), { recursive: true })
    await listen(join(owned, 'owner.sock'))
    const longAgo = new Date(Date.now() - 2 * HOURS)
    for (const path of [old, owned]) utimesSync(path, longAgo, longAgo)
    const own = await claim(directory)
    await takeOver(own)
    expect([young, old, owned].map((path) => existsSync(path))).toEqual([true, false, true])
  })

  test('is taken over by one of many at the same time', async () => {
    const directory = temporaryDirectory()
    for (let i = 0; i < 20; i++)
      deadDirectory(directory, `0000000${String(i).padStart(2, '0')}-00000000`, ['own'])
    const takers = await Promise.all([1, 2, 3, 4, 5].map(() => claim(directory)))
    await Promise.all(takers.map((taker) => takeOver(taker)))
    const taken = await Promise.all(takers.map((taker) => takeOver(taker)))
    expect(taken.flat().sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `adopted-0000000${String(i).padStart(2, '0')}-00000000`),
    )
  })

  test('stays when its socket was moved along with it', async () => {
    const directory = temporaryDirectory()
    const own = await claim(directory)
    renameSync(own.path, `${own.path.slice(0, -8)}ffffffff`)
    expect(await livenessOf(`${own.path.slice(0, -8)}ffffffff`)).toBe('alive')
  })
})

async function claim(directory: string): Promise<ProcessDirectory> {
  const own = await ProcessDirectory.claim(directory)
  onTestFinished(() => own.leave().catch(() => {}))
  return own
}

async function takeOver(own: ProcessDirectory): Promise<string[]> {
  const taken = await own.takeOver((path, error) => {
    throw new Error(path, { cause: error })
  })
  return taken.map((path) => path.slice(own.path.length + 1))
}

function deadDirectory(directory: string, id: string, environments: readonly string[]): string {
  for (const name of environments) {
    mkdirSync(join(directory, id, name), { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, id, name, 'data.mdb'), name)
  }
  return join(directory, id)
}

async function listen(path: string): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  return server
}
