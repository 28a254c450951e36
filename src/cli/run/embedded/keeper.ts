import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { JSON, performance } from '../../../host/globals.js'
import { randomBytes } from '../../../host/crypto.js'
import { type Account, serverAccount, temporaryDirectory } from './account.js'
import { installedBinaries, runnableBinaries } from './binaries.js'

// A process that has a Postgres for as long as its standard input is open, and leaves nothing behind: its parent may end in
// whatever manner. The first line of its output is JSON: `{ "url": … }` of the superuser.

const run = promisify(execFile)

/** A safety net: a start takes tenths of a second. */
const START_DEADLINE_MS = 60_000
const POLL_MS = 10
const DATABASE = 'postgres'
/** None of ours: PGDATA, PGPORT and PGOPTIONS would be heeded. */
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

interface Home {
  readonly account: Account
  readonly directory: string
  readonly data: string
  readonly log: string
  readonly password: string
}

// Ctrl-C on the terminal is for the parent, which may want to write yet.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

await keep()

async function keep(): Promise<void> {
  const account = serverAccount()
  const directory = join(temporaryDirectory(account), `otel-audit-demo-${randomBytes(6).toString('hex')}`)
  const home = {
    account,
    directory,
    data: join(directory, 'data'),
    log: join(directory, 'log'),
    password: randomBytes(16).toString('hex'),
  }
  let postmaster: ChildProcess | undefined
  try {
    await mkdir(directory, { mode: 0o700 })
    if (account.uid !== undefined) await chown(directory, account.uid, account.gid)
    const binaries = await runnableBinaries(installedBinaries(), account, join(directory, 'postgres'))
    await initialize(home, binaries)
    const port = await freePort()
    postmaster = await start(home, binaries, port)
    const url = `postgres://postgres:${home.password}@127.0.0.1:${port}/${DATABASE}`
    process.stdout.write(`${JSON.stringify({ url })}\n`)
    process.stdin.resume()
    await once(process.stdin, 'end')
  } finally {
    if (postmaster !== undefined) await stop(postmaster)
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function initialize({ account, directory, data, password }: Home, binaries: string): Promise<void> {
  const file = join(directory, 'password')
  await writeFile(file, password, { mode: 0o600 })
  if (account.uid !== undefined) await chown(file, account.uid, account.gid)
  const layout = ['--encoding=UTF8', '--locale=C', '--username=postgres', `--pwfile=${file}`]
  const access = ['--auth=scram-sha-256', '--no-sync', '--no-instructions']
  await run(join(binaries, 'bin', 'initdb'), ['-D', data, ...layout, ...access], {
    ...account,
    cwd: directory,
    env: ENVIRONMENT,
  })
  await rm(file)
}

async function start(
  { account, directory, data, log }: Home,
  binaries: string,
  port: number,
): Promise<ChildProcess> {
  const output = openSync(log, 'a', 0o600)
  const settings = ['-p', String(port), '-h', '127.0.0.1', '-k', '', '-c', 'dynamic_shared_memory_type=mmap']
  const postmaster = spawn(join(binaries, 'bin', 'postgres'), ['-D', data, ...settings], {
    ...account,
    cwd: directory,
    env: ENVIRONMENT,
    detached: true,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  await once(postmaster, 'spawn')
  const deadline = performance.now() + START_DEADLINE_MS
  while (postmaster.exitCode === null && performance.now() < deadline) {
    // The postmaster writes its state in line 8 of its lock file.
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
    if (lines[7]?.trim() === 'ready') return postmaster
    await sleep(POLL_MS)
  }
  const said = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-5).join('\n')
  await stop(postmaster)
  throw new Error(`Postgres did not start; its log ends with\n${said}`)
}

async function stop(postmaster: ChildProcess): Promise<void> {
  if (postmaster.exitCode !== null || postmaster.signalCode !== null) return
  const exit = once(postmaster, 'exit')
  // Aborts what is open: a "fast" shutdown.
  postmaster.kill('SIGINT')
  await exit
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
