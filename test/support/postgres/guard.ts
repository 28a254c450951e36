import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { supportScript } from './package-root.js'

/** The directories of the clusters which this process has, and must not leave behind. */
const guarded = new Set<string>()

/** The pipe to the watchdog, one per process. This process holds its only writing end, and never closes it. */
let watchdog: Promise<Writable> | undefined

/**
 * Hands a cluster's directory to the watchdog: when this process ends, also by SIGKILL, the cluster is stopped and the
 * directory removed. To be called *before* the directory is made.
 */
export async function guard(directory: string): Promise<void> {
  guarded.add(directory)
  await tell()
}

/** The cluster is stopped and its directory removed. */
export async function release(directory: string): Promise<void> {
  guarded.delete(directory)
  await tell()
}

async function tell(): Promise<void> {
  watchdog ??= startWatchdog()
  const pipe = await watchdog
  await new Promise<void>((resolve, reject) => {
    pipe.write(`${JSON.stringify([...guarded])}\n`, (error) => (error ? reject(error) : resolve()))
  })
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
