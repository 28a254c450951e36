import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { guard, release } from '../test/support/postgres/guard.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import type { PostgresServer } from '../test/support/postgres/server.js'
import { CuttingProxy } from './proxy.js'
import { Servers } from './servers.js'

const DATABASE = 'soak'
const KEY = 'enrolment.pem'
const TRUST = 'trust'
const LOGIN = 'soak_writer'
const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')
/** More than a thousand findings. */
const LONGEST_OUTPUT = 16 * 1024 * 1024

/** What a soak runs on: a Postgres of its own, a proxy in front of it, and a directory for everything else. */
export class Stage {
  readonly servers: Servers
  readonly proxy: CuttingProxy
  readonly directory: string
  readonly #ended = new AbortController()

  private constructor(servers: Servers, proxy: CuttingProxy, directory: string) {
    this.servers = servers
    this.proxy = proxy
    this.directory = directory
  }

  /** Everything is gone after {@link close}, and when this process ends, in whatever way. */
  static async set({ hasStandby = false } = {}): Promise<Stage> {
    const directory = join(tmpdir(), `otel-audit-soak-${randomBytes(4).toString('hex')}`)
    await guard(directory)
    await mkdir(join(directory, 'spool'), { recursive: true, mode: 0o700 })
    const servers = await Servers.start()
    try {
      await servers.query(`create database ${DATABASE}`)
      await otelAudit(['migrate', '--roles'], { DATABASE_URL: servers.url(DATABASE) })
      await servers.query(`create role ${LOGIN} login in role noetl_audit_writer`)
      if (hasStandby) await servers.addStandby()
      const key = ['keys', 'create', '--origin', `otel-audit/${DATABASE}`, '--out', join(directory, KEY)]
      // Every row has to be in a block of a chain that this key signed, those that a drain stored as well.
      await writeFile(join(directory, TRUST), `${await otelAudit(key, {})}\nunsigned none\n`)
      return new Stage(servers, await CuttingProxy.start(servers.primary.port), directory)
    } catch (error) {
      await servers.close()
      throw error
    }
  }

  get server(): PostgresServer {
    return this.servers.primary
  }

  get spoolDirectory(): string {
    return join(this.directory, 'spool')
  }

  get enrolmentKeyFile(): string {
    return join(this.directory, KEY)
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
      const env = {
        DATABASE_URL: this.writerUrl,
        NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: this.enrolmentKeyFile,
      }
      await otelAudit(['spool', 'drain', '--directory', this.spoolDirectory], env, this.#ended.signal)
      return true
    } catch (error) {
      if ((error as { code?: unknown }).code === 1) return false
      throw error
    }
  }

  /** What `otel-audit verify` finds: one JSON document each. @throws Error when it could not be checked */
  async verify(): Promise<readonly string[]> {
    const args = ['verify', '--trust', join(this.directory, TRUST), '--format', 'ndjson']
    const env = { DATABASE_URL: this.servers.url(DATABASE) }
    const output = await otelAudit(args, env, this.#ended.signal).catch((error: unknown) => {
      const { code, stdout } = error as { readonly code?: unknown; readonly stdout?: string }
      if (code === 1 && stdout !== undefined) return stdout
      throw error
    })
    return output.split('\n').filter((line) => line.startsWith('{"type":"finding"'))
  }

  /** Of the owner, past the proxy. */
  query<Row extends Record<string, unknown>>(sql: string) {
    return this.servers.query<Row>(sql, DATABASE)
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await this.proxy.close()
    await this.servers.close()
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 })
    await release(this.directory)
  }
}

async function otelAudit(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<string> {
  const options = { env: { ...process.env, ...env }, signal, killSignal: 'SIGKILL' as const }
  const limits = { maxBuffer: LONGEST_OUTPUT }
  return (await promisify(execFile)(process.execPath, [CLI, ...args], { ...options, ...limits })).stdout
}
