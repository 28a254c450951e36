import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePorts } from '../../examples/wallet/demo/ports.js'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { waitUntil } from '../../test/support/wait-until.js'

const run = promisify(execFile)

const MOTO = 'moto[s3,server]==5.2.5'

/** Why moto cannot be had here. */
export class NotHere extends Error {}

export interface Moto {
  readonly endpoint: string
  close(): void
}

/** The Python of a virtual environment with moto, made once and kept. @throws NotHere */
async function python(): Promise<string> {
  const home = join(packageRoot(), 'build', 'moto')
  const command = join('bin', 'python3')
  if (existsSync(join(home, command))) return join(home, command)
  const draft = `${home}-draft`
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { recursive: true })
  await run('python3', ['-m', 'venv', draft]).catch((cause: unknown) => {
    throw new NotHere('there is no python3 with venv', { cause })
  })
  await run(join(draft, command), ['-m', 'pip', 'install', '--quiet', MOTO]).catch((cause: unknown) => {
    throw new NotHere(`${MOTO} is not to be had`, { cause })
  })
  // Scripts of a virtual environment name its place: what is moved is found by module.
  await rename(draft, home)
  return join(home, command)
}

/** A moto of its own, with nothing in it. @throws NotHere */
export async function startMoto(): Promise<Moto> {
  const command = await python()
  const [port = 0] = await freePorts(1)
  const child = spawn(command, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  const endpoint = `http://127.0.0.1:${port}`
  await waitUntil('moto to answer', async () => {
    if (child.exitCode !== null) throw new Error(`moto ended with ${child.exitCode}`)
    return fetch(`${endpoint}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    )
  })
  return { endpoint, close: () => void child.kill('SIGTERM') }
}
