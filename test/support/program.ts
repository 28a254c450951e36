import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { waitUntil } from './wait-until.js'

export interface ProgramOptions {
  /** Options of Node, the file, and its arguments. */
  readonly args: readonly string[]
  readonly cwd: string
  /** In addition to ours without what configures telemetry or the audit trail. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Path of the Node that runs it. Default: the one that runs this. */
  readonly node?: string | undefined
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A Node program in a process of its own. */
export class Program {
  readonly child: ChildProcess
  readonly exit: Promise<Exit>
  stdout = ''
  stderr = ''

  constructor({ args, cwd, env = {}, node = process.execPath }: ProgramOptions) {
    this.child = spawn(node, [...args], {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.exit = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  /** The rest of the first line of standard output that begins with `word`. */
  async says(word: string): Promise<string> {
    const said = new RegExp(`^${word} (.*)$`, 'm')
    const found = await waitUntil(`"${word}" of the program`, () => {
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

  /** A request to a program that said `listening <port>`. */
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

/** Ours without what configures telemetry or the audit trail. No collector is listening unless one is named. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(OTEL|NOETL|PG|NODE_OPTIONS|NODE_ENV|VITEST|DATABASE_URL)/.test(name),
  )
  return {
    ...Object.fromEntries(inherited),
    // Programs of tests run as the owner of the trail.
    NODE_ENV: 'test',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_TRACES_EXPORTER: 'none',
  }
}

/** The environment of a program whose spans go to a receiver at once, as protobuf. */
export function exportingTo(url: string): Record<string, string> {
  return {
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  }
}
