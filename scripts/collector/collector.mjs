import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const CONFIG = join(import.meta.dirname, '..', '..', 'otel-collector.yaml')
/** Configurations that are merged into it, or used alone. */
export const DEPLOYED = join(import.meta.dirname, '..', '..', 'deploy', 'collector')

/** Safety net, in milliseconds: whatever is waited for takes a second at most. */
const PATIENCE = 30_000

/** The stand-in for Jaeger reads JSON; all else is the file as it is. */
const JSON_TO_JAEGER = 'yaml:exporters::otlp_http/jaeger::encoding: json'

/** A collector of otel-collector.yaml on free ports, with `overlays` (further `--config` values) merged into it. */
export class Collector {
  #child
  #exit
  #said = []

  static async start(checks, { jaeger, auditFile, env = {}, overlays = [] }) {
    const [grpc, http, health, prometheus, telemetry] = await freePorts(5)
    const collector = new Collector()
    collector.url = `http://127.0.0.1:${http}`
    collector.metricsUrl = `http://127.0.0.1:${prometheus}/metrics`
    collector.telemetryUrl = `http://127.0.0.1:${telemetry}/metrics`
    const configs = [CONFIG, JSON_TO_JAEGER, ...overlays].flatMap((config) => ['--config', config])
    collector.#child = spawn(checks.binary, configs, {
      env: {
        ...withoutCollectorVariables(),
        COLLECTOR_OTLP_GRPC_PORT: `${grpc}`,
        COLLECTOR_OTLP_HTTP_PORT: `${http}`,
        COLLECTOR_HEALTH_PORT: `${health}`,
        COLLECTOR_PROMETHEUS_PORT: `${prometheus}`,
        COLLECTOR_TELEMETRY_PORT: `${telemetry}`,
        COLLECTOR_BATCH_TIMEOUT: '50ms',
        COLLECTOR_JAEGER_URL: jaeger,
        COLLECTOR_AUDIT_FILE: auditFile,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    collector.#exit = once(collector.#child, 'exit')
    checks.opened(collector, () => collector.stop())
    collector.#child.stderr.on('data', (chunk) => collector.#said.push(chunk))
    await collector.#ready(`http://127.0.0.1:${health}`)
    return collector
  }

  get said() {
    return Buffer.concat(this.#said).toString('utf8')
  }

  /** Stops as an orchestrator stops it; `SIGKILL` is a crash. Idempotent. */
  async stop(signal = 'SIGTERM') {
    this.#child.kill(signal)
    await this.#exit
  }

  async #ready(health) {
    const ended = this.#exit.then(() => Promise.reject(new Error('the collector ended')))
    const answers = () =>
      fetch(health).then(
        ({ ok }) => ok,
        () => false,
      )
    try {
      await Promise.race([until(answers, 'the collector is healthy'), ended])
    } catch (error) {
      await this.stop('SIGKILL')
      const tail = this.said.trim().split('\n').slice(-10)
      throw new Error([error.message, ...tail].join('\n    '), { cause: error })
    }
  }
}

/** `validate` of a collector: what it objects to, or undefined. */
export async function objections(binary, configs) {
  const args = ['validate', ...configs.flatMap((config) => ['--config', config])]
  const child = spawn(binary, args, { env: withoutCollectorVariables(), stdio: ['ignore', 'ignore', 'pipe'] })
  const said = []
  child.stderr.on('data', (chunk) => said.push(chunk))
  const [code] = await once(child, 'close')
  return code === 0 ? undefined : Buffer.concat(said).toString('utf8')
}

/** Polls until `condition` holds. Throws when it does not come to that. */
export async function until(condition, what) {
  const deadline = performance.now() + PATIENCE
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(50)
  }
}

/** What the user has set for a collector of their own is not for this one. */
function withoutCollectorVariables() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COLLECTOR_')))
}

/** Below the ephemeral range: no outgoing connection takes one before the collector listens. */
export async function freePorts(count) {
  const held = []
  while (held.length < count) {
    const server = createServer()
    server.listen({ port: 20_000 + Math.floor(Math.random() * 12_000), host: '127.0.0.1', exclusive: true })
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (free) held.push(server)
  }
  const ports = held.map((server) => server.address().port)
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
