import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { freePort } from '../../test/support/postgres/cluster.js'
import type { SoakOptions } from '../options.js'
import { CuttingProxy } from '../proxy.js'
import type { Stage } from '../stage.js'
import { Daemon, type Leash } from './daemon.js'
import { GATEWAYS, type Victim } from './schedule.js'

const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')
const CONFIGURATIONS = join(packageRoot(), 'deploy', 'collector')
const BUILT = join(packageRoot(), '.collector')

/** The binary of a collector, where there is one. */
export function collectorOf({ collector }: Pick<SoakOptions, 'collector'>): string | undefined {
  const given = collector ?? process.env['COLLECTOR_BIN']
  if (given !== undefined && given !== '') return given
  if (!existsSync(BUILT)) return undefined
  const built = readdirSync(BUILT).find((name) => name.startsWith('otelcol-'))
  return built === undefined ? undefined : join(BUILT, built)
}

/** The way that events take, from where a sender sends to the gateways. */
export interface Way {
  /** For a person to read. */
  readonly description: string
  /** What is killed and started again. */
  readonly daemons: Readonly<Partial<Record<Victim, readonly Daemon[]>>>
  /** Before each gateway. */
  readonly proxies: readonly CuttingProxy[]
  /** Where senders may send to. */
  readonly targets: readonly string[]
  /** How long a sender waits for an answer, in ms. */
  readonly patienceMs: number
  /** Resolves when nothing that was acknowledged is on its way any more. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** Gateways, and a proxy that cuts before each. */
export async function gatewaysOf(stage: Stage, leash: Leash) {
  const gateways: Daemon[] = []
  const proxies: CuttingProxy[] = []
  for (let i = 1; i <= GATEWAYS; i++) {
    const port = await freePort()
    gateways.push(gateway(stage, leash, i, port))
    proxies.push(await CuttingProxy.start(port))
  }
  return { gateways, proxies }
}

/** To one gateway or the other, and to a collector before the first of them, where there is one. */
export async function directWay(stage: Stage, leash: Leash, binary: string | undefined): Promise<Way> {
  const { gateways, proxies } = await gatewaysOf(stage, leash)
  const targets = proxies.map(({ port }) => `http://127.0.0.1:${port}`)
  const collectors: Daemon[] = []
  if (binary !== undefined) {
    const port = await freePort()
    const env = {
      COLLECTOR_GATEWAY_URL: targets[0] ?? '',
      COLLECTOR_GATEWAY_OTLP_HTTP_PORT: `${port}`,
      COLLECTOR_GATEWAY_OTLP_GRPC_PORT: `${await freePort()}`,
    }
    collectors.push(await collector(stage, leash, binary, 'the collector', 'gateway.yaml', env))
    targets.push(`http://127.0.0.1:${port}`)
  }
  await Promise.all([...gateways, ...collectors].map((one) => one.start()))
  return {
    description: binary === undefined ? 'without a collector: none is there' : 'with a collector',
    daemons: { gateway: gateways, collector: collectors },
    proxies,
    targets,
    // Longer than a gateway may take.
    patienceMs: 6000,
    settled: () => Promise.resolve(),
    close: () => closeAll(proxies),
  }
}

export async function closeAll(proxies: readonly CuttingProxy[]): Promise<void> {
  await Promise.all(proxies.map((proxy) => proxy.close()))
}

/** A collector with a file of deploy/collector/ as it is. */
export async function collector(
  stage: Stage,
  leash: Leash,
  binary: string,
  name: string,
  configuration: string,
  env: Readonly<Record<string, string>>,
): Promise<Daemon> {
  const health = await freePort()
  const configs = [join(CONFIGURATIONS, configuration), 'yaml:service::telemetry::metrics::level: none']
  const command = {
    name,
    file: binary,
    args: configs.flatMap((config) => ['--config', config]),
    env: { ...env, COLLECTOR_HEALTH_PORT: `${health}` },
    logFile: join(stage.directory, `log-${name.replaceAll(' ', '-')}`),
    health: `http://127.0.0.1:${health}`,
  }
  return new Daemon(command, leash)
}

function gateway(stage: Stage, leash: Leash, number: number, port: number): Daemon {
  const command = {
    name: `gateway ${number}`,
    file: process.execPath,
    args: [CLI, 'gateway', '--port', `${port}`],
    env: {
      DATABASE_URL: stage.writerUrl,
      NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: stage.enrolmentKeyFile,
    },
    logFile: join(stage.directory, `log-gateway-${number}`),
    health: `http://127.0.0.1:${port}/livez`,
  }
  return new Daemon(command, leash)
}
