import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Daemon, type Leash } from '../../soak/gateway/daemon.js'
import { freePort } from '../../test/support/postgres/cluster.js'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import type { Databases } from '../databases.js'

/** What takes OTLP, in a process of its own. */
export interface Side {
  readonly name: string
  readonly url: string
  /** µs of processor time of the process so far, all threads. */
  cpu(): number
  /** Stored events; undefined: it is not a database. */
  readonly count: string | undefined
}

export const ACCESS_TABLE = `create table if not exists access (id bigint generated always as identity primary key,
  at timestamptz not null default now(), trace_id text, span_id text, credential text, operation text, outcome text,
  actor_id text, actor_type text, worker_id text, attributes text)`
const RECEIVER = fileURLToPath(new URL('./inserting-receiver.js', import.meta.url))
/** µs of a tick of `/proc/<pid>/stat`: USER_HZ is 100 wherever Linux runs. */
const TICK_US = 10_000

export class Sides {
  readonly all: readonly Side[]
  readonly #directory: string

  private constructor(all: readonly Side[], directory: string) {
    this.all = all
    this.#directory = directory
  }

  /** They end with the leash. @param collector its binary */
  static async start(databases: Databases, leash: Leash, collector: string | undefined): Promise<Sides> {
    const directory = await mkdtemp(join(tmpdir(), 'otel-audit-bench-gateway-'))
    const start = async (
      name: string,
      command: { file: string; args: (port: number) => string[]; env?: Record<string, string> },
      count: string | undefined,
    ): Promise<Side> => {
      const port = await freePort()
      const health = name === 'file exporter' ? await freePort() : port
      const daemon = new Daemon(
        {
          name,
          file: command.file,
          args: command.args(port),
          env: { ...command.env, HEALTH: String(health), PORT: String(port) },
          logFile: join(directory, name.replaceAll(' ', '-')),
          health: `http://127.0.0.1:${health}${name === 'gateway' ? '/livez' : '/'}`,
        },
        leash,
      )
      await daemon.start()
      return { name, url: `http://127.0.0.1:${port}`, count, cpu: () => cpuOf(daemon.pid) }
    }
    const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
    const sides = [
      await start(
        'gateway',
        {
          file: process.execPath,
          args: (port) => [cli, 'gateway', '--port', String(port)],
          env: { DATABASE_URL: databases.writerUrl },
        },
        `select count(*)::int as n from noetl.secret_audit where service_name = 'bench'`,
      ),
      await start(
        'INSERT each',
        { file: process.execPath, args: (port) => [RECEIVER, String(port), databases.originalUrl] },
        'select count(*)::int as n from access',
      ),
    ]
    if (collector !== undefined) {
      const config = join(directory, 'collector.yaml')
      await writeFile(config, fileExporter(join(directory, 'spans.jsonl')))
      sides.push(
        await start('file exporter', { file: collector, args: () => ['--config', config] }, undefined),
      )
    }
    return new Sides(sides, directory)
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Writes before it answers, as otel-collector.yaml does. */
function fileExporter(path: string): string {
  return `
extensions: { health_check: { endpoint: '127.0.0.1:\${env:HEALTH}' } }
receivers: { otlp: { protocols: { http: { endpoint: '127.0.0.1:\${env:PORT}' } } } }
exporters: { file: { path: ${JSON.stringify(path)}, rotation: { max_megabytes: 256, max_backups: 2 } } }
service:
  extensions: [health_check]
  telemetry: { metrics: { level: none } }
  pipelines: { traces: { receivers: [otlp], exporters: [file] } }
`
}

function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}
