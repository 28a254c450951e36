import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../../test/support/postgres/package-root.js'

export interface ServiceOptions {
  /** `service.name`. */
  readonly name: string
  /** `service.instance.id`. */
  readonly instance: string
  /** The script below `build/examples/wallet`. */
  readonly script: string
  /** Goes to standard input: it holds keys and secrets. */
  readonly config: unknown
  readonly port: number
  readonly metricsPort: number
  /** The base URL of an OTLP/HTTP receiver. */
  readonly otlp: string
  readonly databaseUrl: string
  /** Variables beyond these. */
  readonly env?: Readonly<Record<string, string>>
  /** Takes the lines of the service on standard error. */
  readonly log: (line: string) => void
}

/** Safety nets, in milliseconds: a start takes seconds, a stop tenths of a second. */
const START_DEADLINE = 60_000
const STOP_DEADLINE = 20_000

/** A service in a process of its own, instrumented by nothing but `--import otel-audit/register`. */
export class Service {
  readonly name: string
  readonly instance: string
  readonly url: string
  readonly metricsUrl: string
  readonly #child: ChildProcess
  /** Resolves with exit code and signal. */
  readonly exited: Promise<unknown>

  private constructor(options: ServiceOptions, child: ChildProcess) {
    this.name = options.name
    this.instance = options.instance
    this.url = `http://127.0.0.1:${options.port}`
    this.metricsUrl = `http://127.0.0.1:${options.metricsPort}/metrics`
    this.#child = child
    this.exited = once(child, 'exit')
  }

  /** Resolves when the service listens. Throws with the end of its output when it does not. */
  static async start(options: ServiceOptions): Promise<Service> {
    const root = packageRoot()
    const built = (path: string) => join(root, 'build', 'examples', 'wallet', path)
    const preloads = [
      '--import',
      pathToFileURL(built('demo/parent-watch.js')).href,
      '--import',
      'otel-audit/register',
    ]
    const child = spawn(process.execPath, [...preloads, built(options.script)], {
      cwd: root,
      // Ctrl-C on the terminal is for the demo, which stops its services in order.
      detached: true,
      env: environment(options),
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    })
    const service = new Service(options, child)
    const lines: string[] = []
    onLine(child.stderr, (line) => {
      lines.push(line)
      if (lines.length > 40) lines.shift()
      options.log(line)
    })
    child.stdin?.on('error', () => {}) // It ended early; its exit tells why.
    child.stdin?.end(JSON.stringify(options.config))
    try {
      await service.#listening()
    } catch (error) {
      await service.stop()
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error([`${options.name} did not start: ${reason}`, ...lines].join('\n  '), { cause: error })
    }
    return service
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** SIGTERM, and SIGKILL when that takes too long. Idempotent. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE)
    await this.exited
    clearTimeout(timer)
  }

  async #listening(): Promise<void> {
    const ended = this.exited.then(() => {
      throw new Error('it ended')
    })
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('it does not listen')), START_DEADLINE).unref()
    })
    const listening = new Promise<void>((resolve) => {
      onLine(this.#child.stdout, (line) => {
        if (line.includes(' listening on ')) resolve()
      })
    })
    await Promise.race([listening, ended, late])
  }
}

/** The variables of OpenTelemetry and of the audit trail that are set here are not inherited: a run is like any other. */
function environment(options: ServiceOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(OTEL|NOETL|WALLET|PROVIDER|PG)/.test(name),
  )
  return {
    ...Object.fromEntries(inherited),
    DATABASE_URL: options.databaseUrl,
    OTEL_SERVICE_NAME: options.name,
    OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${options.instance}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: options.otlp,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '200',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_METRICS_EXPORTER: 'prometheus',
    OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
    OTEL_EXPORTER_PROMETHEUS_PORT: String(options.metricsPort),
    WALLET_CONFIG_FILE: '-',
    PROVIDER_CONFIG_FILE: '-',
    WALLET_HOST: '127.0.0.1',
    WALLET_PORT: String(options.port),
    ...options.env,
  }
}

/** Calls back with each line that a process writes. */
export function onLine(stream: Readable | null, take: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', take)
}
