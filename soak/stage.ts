import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { guard, release } from '../test/support/postgres/guard.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../test/support/postgres/server.js'
import { CuttingProxy } from './proxy.js'

const DATABASE = 'soak'
const LOGIN = 'soak_writer'
const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')

/** What a soak runs on: a Postgres of its own, a proxy in front of it, and a directory for everything else. */
export class Stage {
  readonly server: PostgresServer
  readonly proxy: CuttingProxy
  readonly directory: string
  readonly #ended = new AbortController()

  private constructor(server: PostgresServer, proxy: CuttingProxy, directory: string) {
    this.server = server
    this.proxy = proxy
    this.directory = directory
  }

  /** Everything is gone after {@link close}, and when this process ends, in whatever way. */
  static async set(): Promise<Stage> {
    const directory = join(tmpdir(), `otel-audit-soak-${randomBytes(4).toString('hex')}`)
    await guard(directory)
    await mkdir(join(directory, 'spool'), { recursive: true, mode: 0o700 })
    const server = await startPostgres()
    try {
      await server.query(`create database ${DATABASE}`)
      await otelAudit(['migrate', '--roles'], { DATABASE_URL: server.url(DATABASE) })
      await server.query(`create role ${LOGIN} login in role noetl_audit_writer`)
      return new Stage(server, await CuttingProxy.start(server.port), directory)
    } catch (error) {
      await server.close()
      throw error
    }
  }

  get spoolDirectory(): string {
    return join(this.directory, 'spool')
  }

  /** Of the writer's login, through the proxy. */
  get writerUrl(): string {
    const url = new URL(this.server.url(DATABASE, LOGIN))
    url.port = String(this.proxy.port)
    return url.href
  }

  /** Stores what dead writers left. @returns whether nothing is left @throws Error when it could not run */
  async drain(): Promise<boolean> {
    try {
      const env = { DATABASE_URL: this.writerUrl }
      await otelAudit(['spool', 'drain', '--directory', this.spoolDirectory], env, this.#ended.signal)
      return true
    } catch (error) {
      if ((error as { code?: unknown }).code === 1) return false
      throw error
    }
  }

  /** Of the owner, past the proxy. */
  query<Row extends Record<string, unknown>>(sql: string) {
    return this.server.query<Row>(sql, [], DATABASE)
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await this.proxy.close()
    await this.server.close()
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 })
    await release(this.directory)
  }
}

async function otelAudit(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  const options = { env: { ...process.env, ...env }, signal, killSignal: 'SIGKILL' as const }
  await promisify(execFile)(process.execPath, [CLI, ...args], options)
}
