import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A safety net: how long a process may take to start or to end, in ms. */
const PATIENCE_MS = 60_000
const LEASH = fileURLToPath(new URL('./leash.js', import.meta.url))

/** Holds processes: they end when this one does. */
export class Leash {
  readonly #process = spawn(process.execPath, [LEASH], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  readonly #held = new Set<number>()
  #ended: Promise<unknown> | undefined

  constructor() {
    this.#process.stdin.on('error', () => {})
  }

  hold(child: ChildProcess): void {
    const { pid } = child
    if (pid === undefined) return
    this.#held.add(pid)
    this.#tell()
    child.once('exit', () => {
      this.#held.delete(pid)
      this.#tell()
    })
  }

  /** Ends all of them. Idempotent. */
  async close(): Promise<void> {
    this.#ended ??= once(this.#process, 'exit')
    this.#process.stdin.end()
    await this.#ended
  }

  #tell(): void {
    if (this.#process.stdin.writable) this.#process.stdin.write(`${JSON.stringify([...this.#held])}\n`)
  }
}

export interface DaemonCommand {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly logFile: string
  /** An address that answers with a 2xx when it works, or who says whether it does. */
  readonly health: string | (() => Promise<boolean>)
  /** How long it may take to start, in ms. Default: 60,000. */
  readonly patienceMs?: number
}

/** A process on a fixed port that is killed and started again. */
export class Daemon {
  readonly #command: DaemonCommand
  readonly #leash: Leash
  #child: ChildProcess | undefined
  #exit: Promise<unknown> = Promise.resolve()

  constructor(command: DaemonCommand, leash: Leash) {
    this.#command = command
    this.#leash = leash
  }

  /** @throws Error with the end of its output when it does not get to work */
  async start(): Promise<void> {
    const { file, args, env, logFile, health, name } = this.#command
    const isHealthy = typeof health === 'string' ? () => answers(health) : health
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(file, args, {
      env: { PATH: process.env['PATH'], ...env },
      // Ctrl-C on the terminal is for the soak, which ends it.
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.#child = child
    this.#exit = once(child, 'exit')
    this.#exit.catch(() => {})
    this.#leash.hold(child)
    const until = performance.now() + (this.#command.patienceMs ?? PATIENCE_MS)
    while (!(await isHealthy())) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > until) {
        throw new Error(`${name} does not start; its output:\n${this.#output()}`)
      }
      await sleep(50)
    }
  }

  /** Of the process that lives. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#command.name} was not started`)
    return this.#child.pid
  }

  /** Resolves when it is gone. One that does not heed SIGTERM in time is killed. @returns its exit code; null: killed */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    await this.#exit
    clearTimeout(timer)
    return child.exitCode
  }

  /** SIGTERM. @throws Error with the end of its output when it does not end with 0 */
  async endInOrder(): Promise<void> {
    const code = await this.end('SIGTERM')
    if (code !== 0)
      throw new Error(`${this.#command.name} ended with ${code}; its output:\n${this.#output()}`)
  }

  stop(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  #output(): string {
    return readFileSync(this.#command.logFile, 'utf8').split('\n').slice(-30).join('\n')
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}
