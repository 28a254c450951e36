import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'
import { waitUntil } from '../support/wait-until.js'

export interface ApplicationOptions {
  /** A file of `test/register/apps`. */
  readonly app: string
  /** How `otel-audit/register` is preloaded; `none` leaves it out. Default `import`. */
  readonly preload?: 'import' | 'require' | 'none'
  /** Files of `test/register/apps` that are preloaded before it. */
  readonly before?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** An application in a process of its own, started as a user would start it. Killed when the test ends. */
export class Application {
  readonly child: ChildProcess
  readonly exit: Promise<Exit>
  stdout = ''
  stderr = ''

  constructor({ app, preload = 'import', before = [], env = {} }: ApplicationOptions) {
    const file = (name: string): string => join(packageRoot(), 'test', 'register', 'apps', name)
    const preloads = before.flatMap((name) => ['--import', file(name)])
    if (preload !== 'none') preloads.push(`--${preload}`, 'otel-audit/register')
    this.child = spawn(process.execPath, [...preloads, file(app)], {
      cwd: packageRoot(),
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exit = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    onTestFinished(() => this.kill())
  }

  /** The rest of the first line of standard output that begins with `word`. */
  async says(word: string): Promise<string> {
    const said = new RegExp(`^${word} (.*)$`, 'm')
    const found = await waitUntil(`"${word}" of the application`, () => {
      const match = said.exec(this.stdout)
      if (match === null && this.child.exitCode !== null) throw new Error(`it ended: ${this.stderr}`)
      return match ?? false
    })
    return found[1] ?? ''
  }

  /** Ends it as an orchestrator would. */
  async terminate(): Promise<Exit> {
    this.signal('SIGTERM')
    return await this.exit
  }

  /** A request to an application that said `listening <port>`. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${await this.says('listening')}${path}`, { headers })
    const body = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${body}\n${this.stderr}`)
    return body
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name)
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exit
  }
}

/** Ours without what configures telemetry or the audit trail. No collector is listening unless a test names one. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(OTEL|NOETL|PG|NODE_OPTIONS|NODE_ENV|VITEST|DATABASE_URL)/.test(name),
  )
  return {
    ...Object.fromEntries(inherited),
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_TRACES_EXPORTER: 'none',
  }
}

/** The environment of an application whose spans go to a receiver at once, as protobuf. */
export function exportingTo(url: string): Record<string, string> {
  return {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  }
}
