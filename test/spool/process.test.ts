import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { describe, expect, test, vi } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { anEvent } from '../support/events.js'
import { waitUntil } from '../support/wait-until.js'
import { SpoolChild } from './child.js'
import { onlyProcessDirectory, permissionsBelow, temporaryDirectory } from './directories.js'

const MAX_BYTES = 64 * 1024 * 1024
const BUILT = fileURLToPath(new URL('../../build/src/', import.meta.url))
const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url))
const NOBODY = 65_534

describe('the worker', () => {
  test('that ends makes the spool unavailable, also for what is in flight; what was acknowledged is there for the next', async () => {
    const directory = temporaryDirectory()
    const post = vi.spyOn(Worker.prototype, 'postMessage')
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    const events = [anEvent(), anEvent()]
    await spool.append(events)
    const worker = post.mock.contexts.at(-1)
    post.mockRestore()
    if (!(worker instanceof Worker)) throw new Error('the spool has no worker')
    // What it cannot read ends it. `terminate()` in the middle of a transaction would make the engine wait for itself.
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage(null)
    const inFlight = Array.from({ length: 5 }, () => spool.append([anEvent()]))
    for (const call of await Promise.allSettled(inFlight)) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: { name: 'SpoolRefusal', reason: 'unavailable' },
      })
    }
    await ended
    await expect(spool.append([anEvent()])).rejects.toMatchObject({
      name: 'SpoolRefusal',
      reason: 'unavailable',
    })
    await expect(spool.next(1)).rejects.toMatchObject({ reason: 'unavailable' })
    // Until it is closed, no other process gets what this one has in its hands.
    const other = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(other.status.entries).toBe(0)
    await spool.close()
    await other.takeOver()
    expect((await other.next(2)).map(({ event }) => event)).toEqual(events)
    await other.close()
  })

  test('in the middle of a transaction does not keep a process from its end', async () => {
    // Each of them meets another moment of it.
    for (let i = 0; i < 6; i++) {
      const child = new SpoolChild(['exit', temporaryDirectory(), '1'])
      await child.until('exits')
      expect(await child.ended).toEqual({ code: 3, signal: null })
    }
  })

  test('and the inspecting process do not run what the process was started with', async () => {
    const directory = temporaryDirectory()
    const marks = join(directory, 'marks')
    const preload = join(directory, 'preload.cjs')
    writeFileSync(preload, `require('node:fs').appendFileSync(${JSON.stringify(marks)}, 'x')`)
    const spool = join(directory, 'spool')
    const env = { ...process.env, NODE_OPTIONS: `--require ${preload}` }
    for (const start of ['1', '2']) {
      const child = new SpoolChild(['open', spool, start], env)
      expect(await child.ended).toMatchObject({ code: 0 })
      expect(child.said('open')).toHaveLength(1)
    }
    // One for each process; the second one has taken over, so it had an inspecting process as well.
    expect(readFileSync(marks, 'utf8')).toBe('xx')
    expect(
      readdirSync(onlyProcessDirectory(spool)).filter((name) => name.startsWith('adopted-')),
    ).toHaveLength(1)
  })
})

describe('the directory', () => {
  test('and everything in it is for its user alone, whatever the umask', async () => {
    const parent = temporaryDirectory()
    const before = process.umask(0)
    try {
      const spool = await openLmdbSpool({ directory: join(parent, 'deep/spool'), maxBytes: MAX_BYTES })
      await spool.putBack(await spool.append([anEvent(), anEvent()]))
      const [first] = await spool.next(1)
      await spool.quarantine(first?.key ?? 0, 'refused')
      const own = onlyProcessDirectory(join(parent, 'deep/spool'))
      expect(permissionsBelow(own)).toEqual([
        'own 700',
        'own/data.mdb 600',
        'own/data.mdb-lock 600',
        'owner.sock 600',
      ])
      expect((statSync(own).mode & 0o777).toString(8)).toBe('700')
      for (const above of ['deep', 'deep/spool']) {
        expect((statSync(join(parent, above)).mode & 0o777).toString(8)).toBe('700')
      }
      await spool.close()
    } finally {
      process.umask(before)
    }
  })

  test('is tightened when it is empty or a spool, and refused when it holds other files', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    const spool = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    chmodSync(directory, 0o777)
    const second = await openLmdbSpool({ directory, maxBytes: MAX_BYTES })
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    await Promise.all([spool.close(), second.close()])
    writeFileSync(join(directory, 'passwd'), '')
    chmodSync(directory, 0o755)
    await expect(openLmdbSpool({ directory, maxBytes: MAX_BYTES })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'spoolDirectory',
      message: expect.stringContaining('0755') as string,
    })
    expect(statSync(directory).mode & 0o777).toBe(0o755)
    expect(readdirSync(directory)).toEqual(['passwd'])
  })

  test('whose path is too long for a socket, that is a file, or that cannot be made, is refused, and nothing is left', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'file')
    writeFileSync(file, '')
    const long = join(directory, 'l'.repeat(100))
    for (const [path, why] of [
      [long, 'too long'],
      [file, `${file} is a file (EEXIST): name another spool directory`],
      [join(file, 'spool'), `${file} is a file (ENOTDIR): name another spool directory`],
    ] as const) {
      await expect(openLmdbSpool({ directory: path, maxBytes: MAX_BYTES }), path).rejects.toMatchObject({
        code: 'AUDIT_INVALID_OPTION',
        message: expect.stringContaining(why) as string,
      })
    }
    expect(readdirSync(long)).toEqual([])
  })

  test('of another user, or one that cannot be written to, is refused', () => {
    // As an ordinary user, if this is root; else everything belongs to one, and root's own directory is the other's.
    const isRoot = process.getuid?.() === 0
    const parent = temporaryDirectory()
    chmodSync(parent, 0o755)
    mkdirSync(join(parent, 'unwritable'), { mode: 0o500 })
    const foreign = isRoot ? join(parent, 'foreign') : '/root'
    if (isRoot) {
      mkdirSync(foreign, { mode: 0o777 })
      chmodSync(foreign, 0o777)
    }
    for (const directory of [join(parent, 'unwritable/spool'), foreign]) {
      const { stdout, status } = asOrdinaryUser(parent, directory, isRoot)
      expect(status).toBe(0)
      expect(stdout).toMatch(
        /^failed AUDIT_INVALID_OPTION .*(EACCES|belongs to user).* as root: install -d -m 700 -o \d+ \//,
      )
    }
  })

  test('works for an ordinary user', () => {
    const isRoot = process.getuid?.() === 0
    const parent = temporaryDirectory()
    chmodSync(parent, 0o777)
    const { stdout, stderr, status } = asOrdinaryUser(parent, join(parent, 'spool'), isRoot)
    expect({ stdout, stderr, status }).toEqual({ stdout: 'open\n', stderr: '', status: 0 })
    expect(statSync(join(parent, 'spool')).uid).toBe(isRoot ? NOBODY : process.getuid?.())
  })
})

test('without lmdb the error names the package, and nothing is left', () => {
  const parent = temporaryDirectory()
  const api = join(parent, 'node_modules/@opentelemetry/api')
  mkdirSync(dirname(api), { recursive: true })
  symlinkSync(join(MODULES, '@opentelemetry/api'), api)
  installIn(parent)
  const { stdout, status } = spawnSync(process.execPath, childArguments(parent, join(parent, 'spool')), {
    encoding: 'utf8',
  })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^failed AUDIT_MISSING_PACKAGE .*npm install lmdb/)
  expect(readdirSync(join(parent, 'spool'))).toEqual([])
})

test('calls in flight keep the process alive until they are answered', async () => {
  const child = new SpoolChild(['open', temporaryDirectory(), '1'])
  await waitUntil('the child has ended', () => child.process.exitCode !== null)
  expect(child.said('open')).toHaveLength(1)
})

/** Its code in a directory of its own. */
function installIn(parent: string): void {
  cpSync(BUILT, join(parent, 'build/src'), { recursive: true })
  mkdirSync(join(parent, 'test/spool'), { recursive: true })
  const script = fileURLToPath(new URL('./child.mjs', import.meta.url))
  cpSync(script, join(parent, 'test/spool/child.mjs'))
  writeFileSync(
    join(parent, 'package.json'),
    JSON.stringify({ name: 'otel-audit', type: 'module', version: '0.0.0' }),
  )
}

function childArguments(parent: string, directory: string): string[] {
  return [join(parent, 'test/spool/child.mjs'), 'open', directory, '1']
}

/** Starts the child from a copy that everybody can read: the checkout may be closed to others. */
function asOrdinaryUser(parent: string, directory: string, isRoot: boolean) {
  const copy = join(parent, 'package')
  mkdirSync(copy, { recursive: true, mode: 0o755 })
  installIn(copy)
  const modules = [
    'lmdb',
    'msgpackr',
    'msgpackr-extract',
    'ordered-binary',
    'weak-lru-cache',
    'node-gyp-build-optional-packages',
  ]
  for (const name of [
    ...modules,
    '@opentelemetry/api',
    '@harperfast/extended-iterable',
    '@lmdb',
    'detect-libc',
  ]) {
    const from = join(MODULES, name)
    cpSync(from, join(copy, 'node_modules', name), {
      recursive: true,
      dereference: true,
    })
  }
  execFileSync('chmod', ['-R', 'a+rX', copy])
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
  return spawnSync(process.execPath, childArguments(copy, directory), { encoding: 'utf8', cwd: '/', ...user })
}
