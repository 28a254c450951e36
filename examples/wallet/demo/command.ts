import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../../test/support/postgres/package-root.js'
import { onLine } from './service.js'

/** A command of `otel-audit` that serves, in a process of its own. */
export class Command {
  /** The first line that it said: where it listens. */
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  /** Resolves when it listens, on a free port of 127.0.0.1. */
  static async start(
    name: 'serve' | 'gateway',
    env: Readonly<Record<string, string>>,
    log: (line: string) => void,
  ): Promise<Command> {
    const root = packageRoot()
    const watch = pathToFileURL(join(root, 'build', 'examples', 'wallet', 'demo', 'parent-watch.js')).href
    const cli = join(root, 'dist', 'cli', 'main.js')
    const inherited = Object.entries(process.env).filter(([variable]) => !/^(OTEL|NOETL|PG)/.test(variable))
    const child = spawn(process.execPath, ['--import', watch, cli, name, '--port', '0'], {
      cwd: root,
      detached: true, // Ctrl-C on the terminal is for the demo.
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const ended = once(child, 'exit').then(() =>
      Promise.reject(new Error(`otel-audit ${name} did not start`)),
    )
    ended.catch(() => {})
    onLine(child.stderr, (line) => log(`otel-audit ${name}: ${line}`))
    const listening = new Promise<string>((resolve) => onLine(child.stdout, resolve))
    return new Command(await Promise.race([listening, ended]), child)
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE)
    await ended
    clearTimeout(timer)
  }
}

/** A safety net, in milliseconds. */
const STOP_DEADLINE = 20_000
