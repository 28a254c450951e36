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
import { SpoolHome } from '../../src/spool/directories/process-directory.js'
import { ownerOf } from '../../src/spool/directories/liveness.js'
import { temporaryDirectory } from './directories.js'

const HOURS = 3_600_000

describe('a home', () => {
  test('is alive while it is owned, dead when it was left, and gone when nothing is in it', async () => {
    const directory = temporaryDirectory()
    const home = await claim(directory)
    expect(await ownerOf(home.path)).toBe('alive')
    writeFileSync(join(home.ownEnvironment, 'data.mdb'), '')
    await home.leave()
    expect(await ownerOf(home.path)).toBe('dead')
    expect(readdirSync(home.path)).toEqual(['own'])
    const empty = await claim(directory)
    await empty.leave()
    expect(existsSync(empty.path)).toBe(false)
  })

  test('whose owner cannot be asked is not taken over', async () => {
    const directory = temporaryDirectory()
    const home = deadHome(directory, '000000001-00000000', ['own'])
    // A loop of links: neither refused nor missing, and the same for root.
    symlinkSync('owner.sock', join(home, 'owner.sock'))
    expect(await ownerOf(home)).toBe('unknown')
    const own = await claim(directory)
    expect(await takeOver(own)).toEqual([])
    expect(readdirSync(home)).toContain('own')
  })

  test('is taken over from wherever its process died: own, taken over, without a socket, half taken over', async () => {
    const directory = temporaryDirectory()
    const first = deadHome(directory, '000000001-00000000', ['own', 'adopted-000000000-00000000'])
    // One that died after it had taken over a part of another dead one.
    deadHome(directory, '000000002-00000000', ['adopted-000000000-11111111'])
    // One that died while it was leaving: all is gone but the directory.
    mkdirSync(join(directory, '000000003-00000000'), { mode: 0o700 })
    // One that died before it had made its file.
    mkdirSync(join(directory, '000000004-00000000/own'), { recursive: true, mode: 0o700 })
    const home = await claim(directory)
    expect(await takeOver(home)).toEqual([
      'adopted-000000000-00000000',
      'adopted-000000000-11111111',
      'adopted-000000001-00000000',
    ])
    expect(existsSync(first)).toBe(false)
    expect(readdirSync(directory)).toEqual([home.path.slice(directory.length + 1)])
    // What this one leaves is the next one's, under the same names.
    await home.leave()
    const next = await claim(directory)
    expect(await takeOver(next)).toHaveLength(3)
  })

  test('with something unknown in it stays, and keeps nobody from the others', async () => {
    const directory = temporaryDirectory()
    const odd = deadHome(directory, '000000001-00000000', ['own', 'something-else'])
    deadHome(directory, '000000002-00000000', ['own'])
    // What it should be renamed to is there already: that fails, for this one.
    const home = await claim(directory)
    mkdirSync(join(home.path, 'adopted-000000001-00000000/x'), { recursive: true })
    const faults: string[] = []
    await home.takeOver((path) => faults.push(path))
    expect(faults).toEqual([odd])
    expect(readdirSync(odd).sort()).toEqual(['own', 'something-else'])
    expect(readdirSync(home.path)).toContain('adopted-000000002-00000000')
  })

  test('that is being made is left alone; one that nobody finishes any more is removed', async () => {
    const directory = temporaryDirectory()
    const young = join(directory, '.000000001-00000000')
    const old = join(directory, '.000000002-00000000')
    const owned = join(directory, '.000000003-00000000')
    for (const path of [young, old, owned]) mkdirSync(join(path, 'own'), { recursive: true })
    await listen(join(owned, 'owner.sock'))
    const longAgo = new Date(Date.now() - 2 * HOURS)
    for (const path of [old, owned]) utimesSync(path, longAgo, longAgo)
    const home = await claim(directory)
    await takeOver(home)
    expect([young, old, owned].map((path) => existsSync(path))).toEqual([true, false, true])
  })

  test('is taken over by one of many at the same time', async () => {
    const directory = temporaryDirectory()
    for (let i = 0; i < 20; i++) deadHome(directory, `0000000${String(i).padStart(2, '0')}-00000000`, ['own'])
    const takers = await Promise.all([1, 2, 3, 4, 5].map(() => claim(directory)))
    await Promise.all(takers.map((taker) => takeOver(taker)))
    const taken = await Promise.all(takers.map((taker) => takeOver(taker)))
    expect(taken.flat().sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `adopted-0000000${String(i).padStart(2, '0')}-00000000`),
    )
  })

  test('stays when its owner’s socket was moved along with it', async () => {
    const directory = temporaryDirectory()
    const home = await claim(directory)
    renameSync(home.path, `${home.path.slice(0, -8)}ffffffff`)
    expect(await ownerOf(`${home.path.slice(0, -8)}ffffffff`)).toBe('alive')
  })
})

async function claim(directory: string): Promise<SpoolHome> {
  const home = await SpoolHome.claim(directory)
  onTestFinished(() => home.leave().catch(() => {}))
  return home
}

async function takeOver(home: SpoolHome): Promise<string[]> {
  const taken = await home.takeOver((path, error) => {
    throw new Error(path, { cause: error })
  })
  return taken.map((path) => path.slice(home.path.length + 1))
}

function deadHome(directory: string, id: string, environments: readonly string[]): string {
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
