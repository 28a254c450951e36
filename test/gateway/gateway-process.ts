import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname

export interface GatewayProcess {
  readonly url: string
  readonly child: ChildProcess
  stderr(): string
}

/** `otel-audit gateway` as an operator starts it. Killed when the test ends. */
export async function startGatewayProcess(
  databaseUrl: string,
  args: readonly string[] = [],
): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [MAIN, 'gateway', '--port', '0', ...args], {
    env: { PATH: process.env['PATH'], DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return { url: line.trim(), child, stderr: () => stderr }
}

/** The most memory that a process has had, in MiB; undefined where /proc is not there. */
export function peakMemory({ pid }: ChildProcess): number | undefined {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) / 1024
  } catch {
    return undefined
  }
}
