import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { supportScript } from './package-root.js'

/** The directories of the clusters which this process has, and must not leave behind. */
const guarded = new Set<string>()

/** One per process, started with the first cluster. Holds the reading end of a pipe whose only writer is this process. */
let watchdog: ChildProcess | undefined

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
  if (watchdog === undefined || watchdog.exitCode !== null || watchdog.signalCode !== null) {
    watchdog = await startWatchdog()
  }
  const { stdin } = watchdog
  await new Promise<void>((resolve, reject) => {
    stdin?.write(`${JSON.stringify([...guarded])}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

async function startWatchdog(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [supportScript('watchdog.mjs')], {
    // A session of its own, so that Ctrl-C on the terminal reaches the parent only.
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await once(child, 'spawn')
  child.stdin?.on('error', () => {})
  child.unref()
  const { stdin } = child
  if (stdin !== null && 'unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
  return child
}
