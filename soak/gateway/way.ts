import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { freePort } from '../../test/support/postgres/cluster.js'
import type { SoakOptions } from '../options.js'
import { CuttingProxy } from '../proxy.js'
import type { Stage } from '../stage.js'
import { Daemon, type Leash } from './daemon.js'
import { GATEWAYS } from './schedule.js'

const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')
const COLLECTOR_CONFIG = join(packageRoot(), 'deploy', 'collector', 'gateway.yaml')
const BUILT = join(packageRoot(), '.collector')

/** The binary of a collector, where there is one. */
export function collectorOf({ collector }: SoakOptions): string | undefined {
  const given = collector ?? process.env['COLLECTOR_BIN']
  if (given !== undefined && given !== '') return given
  if (!existsSync(BUILT)) return undefined
  const built = readdirSync(BUILT).find((name) => name.startsWith('otelcol-'))
  return built === undefined ? undefined : join(BUILT, built)
}

/** The way that events take: gateways, each behind a proxy that cuts, and a collector before the first of them. */
export class Way {
  readonly gateways: readonly Daemon[]
  readonly proxies: readonly CuttingProxy[]
  readonly collector: Daemon | undefined
  /** Where senders may send to. */
  readonly targets: readonly string[]

  private constructor(
    gateways: readonly Daemon[],
    proxies: readonly CuttingProxy[],
    collector: Daemon | undefined,
    collectorUrl: string,
  ) {
    this.gateways = gateways
    this.proxies = proxies
    this.collector = collector
    const direct = proxies.map(({ port }) => `http://127.0.0.1:${port}`)
    this.targets = collector === undefined ? direct : [...direct, collectorUrl]
  }

  static async start(stage: Stage, leash: Leash, binary: string | undefined): Promise<Way> {
    const gateways: Daemon[] = []
    const proxies: CuttingProxy[] = []
    for (let i = 1; i <= GATEWAYS; i++) {
      const port = await freePort()
      gateways.push(gateway(stage, leash, i, port))
      proxies.push(await CuttingProxy.start(port))
    }
    const [port, health] = [await freePort(), await freePort()]
    const collector =
      binary === undefined
        ? undefined
        : new Daemon(
            {
              name: 'the collector',
              file: binary,
              args: [
                '--config',
                COLLECTOR_CONFIG,
                '--config',
                'yaml:service::telemetry::metrics::level: none',
              ],
              env: {
                COLLECTOR_GATEWAY_URL: `http://127.0.0.1:${proxies[0]?.port}`,
                COLLECTOR_GATEWAY_OTLP_HTTP_PORT: `${port}`,
                COLLECTOR_GATEWAY_OTLP_GRPC_PORT: `${await freePort()}`,
                COLLECTOR_HEALTH_PORT: `${health}`,
              },
              logFile: join(stage.directory, 'log-collector'),
              health: `http://127.0.0.1:${health}`,
            },
            leash,
          )
    await Promise.all(
      [...gateways, ...(collector === undefined ? [] : [collector])].map((one) => one.start()),
    )
    return new Way(gateways, proxies, collector, `http://127.0.0.1:${port}`)
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
  }
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
