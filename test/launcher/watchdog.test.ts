import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { serverAccount, temporaryDirectory } from '../../src/cli/run/embedded/account.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { CLUSTER_TEMPLATE } from '../support/postgres/cluster.js'
import { clusterProcesses } from '../support/postgres/processes.mjs'
import type { PostgresOptions } from '../support/postgres/server.js'

// The parent is a process of its own, which can be killed. It runs the launcher as the demo does: compiled.
const launcher = join(packageRoot(), 'build/test/support/postgres/server.js')

let temporary: string
/** Without the cluster to be copied: `initdb` makes this one, as it does for the demo. */
let env: NodeJS.ProcessEnv
let parent: ChildProcess | undefined

beforeEach(async () => {
  if (!existsSync(launcher)) throw new Error('`npm run build` makes what this test runs')
  temporary = await mkdtemp(join(temporaryDirectory(serverAccount()), 'otel-audit watchdog '))
  await chmod(temporary, 0o755)
  const { [CLUSTER_TEMPLATE]: _, ...inherited } = process.env
  env = { ...inherited, TMPDIR: temporary }
})

afterEach(async () => {
  parent?.kill('SIGKILL')
  await expect.poll(() => readdir(temporary), { timeout: 30_000 }).toEqual([])
  await rm(temporary, { recursive: true })
})

/** Starts a parent that has a server, does something with it, and says where its data are. */
async function parentWith(action: string, options: PostgresOptions = {}): Promise<string> {
  const script = `
    import { startPostgres } from ${JSON.stringify(pathToFileURL(launcher).href)}
    const server = await startPostgres(${JSON.stringify(options)})
    ${action}
    console.log(server.dataDirectory)
    setInterval(() => {}, 1000)
  `
  parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { stdout } = parent
  if (stdout === null) throw new Error('no standard output')
  const [dataDirectory] = (await once(createInterface(stdout), 'line')) as [string]
  return dirname(dataDirectory)
}

async function expectNothingLeft(directory: string): Promise<void> {
  await expect.poll(() => existsSync(directory), { timeout: 60_000 }).toBe(false)
  expect(clusterProcesses(basename(directory))).toEqual([])
}

test.each([
  ['running', ''],
  ['paused', 'await server.pause()'],
  ['stopped', 'await server.stop()'],
  ['crashed', 'await server.kill()'],
])('the %s server of a parent that is killed leaves no process and no directory', async (state, action) => {
  const directory = await parentWith(action)
  expect(dirname(directory)).toBe(temporary)
  expect(existsSync(directory)).toBe(true)
  expect(clusterProcesses(basename(directory)).length > 0).toBe(state === 'running' || state === 'paused')

  parent?.kill('SIGKILL')
  await expectNothingLeft(directory)
})

test('the server of a parent that is killed leaves no process and all that it has, when it is to be kept', async () => {
  const keptIn = join(temporary, 'kept')
  const table = `server.query('create table if not exists survivors ()')`
  const directory = await parentWith(`await ${table}`, { keptIn })
  expect(dirname(directory)).toBe(keptIn)
  parent?.kill('SIGKILL')
  await expect.poll(() => clusterProcesses(basename(directory)), { timeout: 60_000 }).toEqual([])

  const again = await parentWith(`await server.query('table survivors'); await server.close()`, { keptIn })
  expect(again).toBe(directory)
  expect(clusterProcesses(basename(again))).toEqual([])
  await rm(keptIn, { recursive: true })
})

test('a parent that just exits leaves nothing either', async () => {
  const directory = await parentWith('setTimeout(() => process.exit(), 100)')
  await expectNothingLeft(directory)
})

test('a server that is not closed does not keep its process alive', async () => {
  const directory = await parentWith('setInterval = () => {}')
  await expectNothingLeft(directory)
})

test('a parent killed at any moment of the start leaves nothing', async () => {
  for (let delay = 0; delay <= 1_000; delay += 200) {
    const script = `import(${JSON.stringify(pathToFileURL(launcher).href)}).then((m) => m.startPostgres())`
    parent = spawn(process.execPath, ['-e', script], {
      env,
      stdio: 'ignore',
    })
    const killed = once(parent, 'exit')
    setTimeout(() => parent?.kill('SIGKILL'), delay)
    await killed
    await expect.poll(() => readdir(temporary), { timeout: 30_000 }).toEqual([])
  }
})
