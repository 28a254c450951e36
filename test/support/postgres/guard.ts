import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { supportScript } from './package-root.js'

/** What becomes of a cluster's directory when this process is gone; the cluster is stopped in any case. */
export type Afterwards = 'removed' | 'kept'

/** The directories of the clusters which this process has, and must not leave running. */
const guarded = new Map<string, Afterwards>()

/** The pipe to the watchdog, one per process. This process holds its only writing end, and never closes it. */
let watchdog: Promise<Writable> | undefined

/**
 * Hands a cluster's directory to the watchdog: when this process ends, also by SIGKILL, the cluster is stopped and the
 * directory removed, unless it is to be kept. To be called *before* the directory is made.
 */
export async function guard(directory: string, afterwards: Afterwards = 'removed'): Promise<void> {
  guarded.set(directory, afterwards)
  await tell()
}

/** The cluster is stopped, and its directory removed unless it is kept. */
export async function release(directory: string): Promise<void> {
  guarded.delete(directory)
  await tell()
}

async function tell(): Promise<void> {
  watchdog ??= startWatchdog()
  const pipe = await watchdog
  await new Promise<void>((resolve, reject) => {
    const told = { removed: directoriesOf('removed'), kept: directoriesOf('kept') }
    pipe.write(`${JSON.stringify(told)}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

function directoriesOf(afterwards: Afterwards): string[] {
  return [...guarded].filter(([, what]) => what === afterwards).map(([directory]) => directory)
}

async function startWatchdog(): Promise<Writable> {
  const child = spawn(process.execPath, [supportScript('watchdog.mjs')], {
    // A session of its own, so that Ctrl-C on the terminal reaches the parent only.
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  // The write that fails tells it too.
  child.stdin.on('error', () => {})
  await once(child, 'spawn')
  return child.stdin
}
