import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Client, type QueryResult, type QueryResultRow } from 'pg'
import { type Cluster, createCluster, freePort, keptCluster, SERVER_ENVIRONMENT } from './cluster.js'
import { release } from './guard.js'
import { supportScript } from './package-root.js'

type Processes = typeof import('./processes.mjs')

export interface PostgresOptions {
  /** Lines for postgresql.conf, for instance `{ max_connections: '300' }`. `fsync` and the like keep Postgres' defaults: on. */
  readonly settings?: Readonly<Record<string, string>>
  /** The directory whose `bin` has the binaries, of whatever version. Default: those of the npm package. */
  readonly installation?: string | undefined
  /** Where the cluster is kept, and is found again by the next start. Default: it is a temporary one. */
  readonly keptIn?: string | undefined
}

/** How `stop` treats open sessions: aborts them; does not even write a checkpoint; waits until they end by themselves. */
export type StopMode = 'fast' | 'immediate' | 'smart'

const STOP_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', smart: 'SIGTERM' } as const

/** A safety net: a start, which may include crash recovery, takes tenths of a second. */
const START_DEADLINE_MILLISECONDS = 60_000

/** What to try when another process took the port between our looking and the server's binding it. */
const PORT_ATTEMPTS = 5

/**
 * Makes and starts a Postgres server of this process's own: a new cluster in a temporary directory, on a free port of
 * 127.0.0.1. It is removed by `close()`, or when this process is gone, in whatever way; one that is kept is stopped.
 *
 * @throws Error with the end of the server's log, if it does not start.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const processes = (await import(pathToFileURL(supportScript('processes.mjs')).href)) as Processes
  const { settings = {}, installation, keptIn } = options
  const cluster = await (keptIn === undefined
    ? createCluster(settings, installation)
    : keptCluster(keptIn, settings))
  for (let attempt = 1; ; attempt++) {
    const server = new PostgresServer(cluster, await freePort(), processes)
    try {
      await server.start()
      return server
    } catch (error) {
      const portTaken = server.logs().includes('Address already in use')
      if (portTaken && attempt < PORT_ATTEMPTS) continue
      await server.close()
      throw error
    }
  }
}

/**
 * A Postgres server that can be made to fail in every way in which one does.
 *
 * running ⇄ stopped (`stop`, `kill`; `start`), running ⇄ paused (`pause`; `resume`), any → closed (`close`).
 */
export class PostgresServer {
  readonly port: number
  readonly #cluster: Cluster
  readonly #processes: Processes
  /** The postmaster, from its start until its exit has been seen. */
  #postmaster: ChildProcess | undefined
  #closed = false

  constructor(cluster: Cluster, port: number, processes: Processes) {
    this.#cluster = cluster
    this.port = port
    this.#processes = processes
  }

  get dataDirectory(): string {
    return this.#cluster.dataDirectory
  }

  /** The process id of the postmaster. */
  get pid(): number {
    return this.#running().pid as number
  }

  /** A connection string. Roles other than the superuser `postgres` log in without a password. */
  url(database = 'postgres', user = 'postgres'): string {
    const password = user === 'postgres' ? `:${this.#cluster.password}` : ''
    const [role, name] = [encodeURIComponent(user), encodeURIComponent(database)]
    return `postgres://${role}${password}@127.0.0.1:${this.port}/${name}`
  }

  /** Starts the stopped server again, with the same data, on the same port. Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.#closed) throw new Error('this Postgres was removed by close()')
    if (this.#postmaster !== undefined) throw new Error('Postgres is already running')
    const { account, binaries, dataDirectory, directory, logFile } = this.#cluster
    const log = openSync(logFile, 'a', 0o600)
    const postmaster = spawn(join(binaries, 'bin', 'postgres'), ['-D', dataDirectory, '-p', `${this.port}`], {
      ...account,
      cwd: directory,
      env: SERVER_ENVIRONMENT,
      // Ctrl-C on the terminal is for the application under test, which may want to write yet.
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    postmaster.once('exit', () => {
      this.#postmaster = undefined
    })
    await once(postmaster, 'spawn')
    this.#postmaster = postmaster
    postmaster.unref()
    await this.#ready(postmaster)
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const postmaster = this.#running()
    this.resume()
    const exit = once(postmaster, 'exit')
    postmaster.ref()
    postmaster.kill(STOP_SIGNALS[mode])
    await exit
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  /** Kills the postmaster and all its backends at one instant, as a crash of the machine would. `start` recovers. */
  async kill(): Promise<void> {
    const postmaster = this.#running()
    const exit = once(postmaster, 'exit')
    postmaster.ref()
    await this.#processes.crash(this.#cluster.directory)
    await exit
  }

  /**
   * Stops (SIGSTOP) the postmaster and all its backends. Open connections fall silent; new ones are accepted by the
   * kernel and never answered.
   */
  async pause(): Promise<void> {
    this.#running()
    await this.#processes.freeze(this.#cluster.name)
  }

  resume(): void {
    this.#running()
    this.#processes.thaw(this.#cluster.name)
  }

  /** Runs one statement as superuser, on a connection of its own. */
  async query<Row extends QueryResultRow = QueryResultRow>(
    sql: string,
    params: readonly unknown[] = [],
    database = 'postgres',
  ): Promise<QueryResult<Row>> {
    const client = new Client({ connectionString: this.url(database) })
    client.on('error', () => {}) // The pending query tells it too.
    await client.connect()
    try {
      return await client.query<Row>(sql, [...params])
    } finally {
      await client.end()
    }
  }

  /** The last lines of the server's log. */
  logs(lines = 40): string {
    try {
      return readFileSync(this.#cluster.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }

  /** Ends the server in whatever state it is, and removes its directory unless it is kept. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#cluster.isKept) {
      if (this.#postmaster !== undefined) await this.stop()
      await this.#processes.endCluster(this.#cluster.directory)
    } else {
      await this.#processes.removeCluster(this.#cluster.directory)
    }
    await release(this.#cluster.directory)
  }

  #running(): ChildProcess {
    if (this.#postmaster === undefined) throw new Error('Postgres is not running')
    return this.#postmaster
  }

  /** The postmaster writes its status in line 8 of its lock file: no log-in is needed to know that it is ready. */
  async #ready(postmaster: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_DEADLINE_MILLISECONDS
    const lockFile = join(this.dataDirectory, 'postmaster.pid')
    while (this.#postmaster === postmaster && performance.now() < deadline) {
      const lines = (await readFile(lockFile, 'utf8').catch(() => '')).split('\n')
      if (lines[0] === `${postmaster.pid}` && lines[7]?.trim() === 'ready') return
      await sleep(10)
    }
    const what = this.#postmaster === undefined ? 'ended' : 'was not ready in time'
    throw new Error(`Postgres ${what} while starting; its log ends with\n${this.logs()}`)
  }
}
