import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../../test/support/postgres/package-root.js'
import type { DemoDatabase } from './database.js'
import { onLine } from './service.js'

/** `otel-audit serve` in a process of its own, with its console. */
export class AuditServer {
  readonly url: string
  /** What a reader has to present. */
  readonly token: string
  readonly #child: ChildProcess

  private constructor(url: string, token: string, child: ChildProcess) {
    this.url = url
    this.token = token
    this.#child = child
  }

  /** Resolves when it listens, on a free port of 127.0.0.1. */
  static async start(
    { writerUrl, readerUrl }: DemoDatabase,
    log: (line: string) => void,
  ): Promise<AuditServer> {
    const token = randomBytes(24).toString('base64url')
    const root = packageRoot()
    const watch = pathToFileURL(join(root, 'build', 'examples', 'wallet', 'demo', 'parent-watch.js')).href
    const cli = join(root, 'dist', 'cli', 'main.js')
    const inherited = Object.entries(process.env).filter(([name]) => !/^(OTEL|NOETL|PG)/.test(name))
    const child = spawn(process.execPath, ['--import', watch, cli, 'serve', '--port', '0'], {
      cwd: root,
      detached: true, // Ctrl-C on the terminal is for the demo.
      env: {
        ...Object.fromEntries(inherited),
        DATABASE_URL: writerUrl,
        NOETL_SECRET_AUDIT_READER_URL: readerUrl,
        NOETL_INTERNAL_API_TOKEN: token,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('otel-audit serve did not start')))
    ended.catch(() => {})
    onLine(child.stderr, log)
    const listening = new Promise<string>((resolve) => onLine(child.stdout, resolve))
    return new AuditServer(await Promise.race([listening, ended]), token, child)
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
