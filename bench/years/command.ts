import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { serverTime } from '../cpu.js'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { LOG, type Keys } from './keys.js'

/** What one run of `otel-audit` took. */
export interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
  /** Of processor time: all threads of the command. */
  readonly cpuSeconds: number
  /** Of processor time: the server's, meanwhile. Linux only, else undefined. */
  readonly postgresSeconds: number | undefined
  /** Most resident memory, in MiB. */
  readonly residentMib: number
}

/** What the command is given beside its arguments. */
export interface CommandContext {
  readonly server: PostgresServer
  readonly keys: Keys
  readonly database: string
}

/** Runs the command as its user does, in a process of its own, as the owner of the trail. */
export async function otelAudit(
  { server, keys, database }: CommandContext,
  args: readonly string[],
): Promise<Run> {
  const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
  const usage = new URL('./usage.js', import.meta.url).href
  const before = serverTime(server.pid)
  const began = performance.now()
  const child = spawn(process.execPath, ['--import', usage, cli, ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'test',
      DATABASE_URL: server.url(database),
      NOETL_SECRET_AUDIT_ORIGIN: LOG,
      NOETL_SECRET_AUDIT_ENROLMENT_KEY: keys.enrolmentPem,
      NOETL_SECRET_AUDIT_RETENTION_KEY_FILE: keys.retentionFile,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const [, output, errors, report] = child.stdio as readonly (Readable | null)[]
  const said = Promise.all([textOf(output), textOf(errors), textOf(report)])
  const [code] = (await once(child, 'close')) as [number | null]
  const seconds = (performance.now() - began) / 1000
  const after = serverTime(server.pid)
  const [stdout, stderr, used] = await said
  const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(used || '{}') as Partial<NodeJS.ResourceUsage>
  return {
    code,
    stdout,
    stderr,
    seconds,
    cpuSeconds: ((userCPUTime ?? 0) + (systemCPUTime ?? 0)) / 1e6,
    postgresSeconds: before === undefined || after === undefined ? undefined : (after - before) / 1e6,
    residentMib: (maxRSS ?? 0) / 1024,
  }
}

/** @throws Error with what a command said that did not end with 0 */
export function succeeded(run: Run, what: string): Run {
  if (run.code === 0) return run
  throw new Error(`${what} ended with ${run.code}: ${run.stderr.trim()}\n${run.stdout.slice(0, 2000)}`)
}

function textOf(stream: Readable | null | undefined): Promise<string> {
  return stream == null ? Promise.resolve('') : text(stream)
}
