import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'

const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')

/** A safety net: what a `tail` has to show it shows within seconds. */
const LONGEST_TAIL_MS = 60_000

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A trail, as somebody who reads it names it. */
export interface Place {
  readonly url: string
  readonly schema: string
}

/** Runs the command line as a user does, on a trail. With nothing of our environment but what programs need. */
export function otelAudit(args: readonly string[], place: Place | undefined): Promise<Result> {
  return running(args, place, () => false)
}

/** Lets it tail until it has shown so many rows, and interrupts it as a user would; or until it ends by itself. */
export function tail(args: readonly string[], place: Place, rows: number): Promise<Result> {
  const shown = (text: string): boolean => text.split('\n').length > rows
  return running(['tail', '--unrecorded', '--format', 'ndjson', ...args], place, shown)
}

function running(
  args: readonly string[],
  place: Place | undefined,
  isEnough: (stdout: string) => boolean,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...(place && { DATABASE_URL: place.url, NOETL_SECRET_AUDIT_SCHEMA: place.schema }),
      // It is the owner of the trail who moves it.
      NODE_ENV: 'test',
    }
    const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { stdout: '', stderr: '' }
    const net = setTimeout(() => child.kill('SIGKILL'), LONGEST_TAIL_MS)
    let isStopped = false
    const stop = (): void => {
      if (isStopped || !isEnough(said.stdout)) return
      // A second one would end it at once, without its mark.
      isStopped = true
      child.kill('SIGINT')
    }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        said[name] += text
        stop()
      })
    }
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(net)
      resolve({ code, ...said })
    })
  })
}
