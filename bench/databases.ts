import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../test/support/postgres/server.js'
import { flushMs } from './flush.js'
import { prepareOriginal } from './original-side.js'

/** One server, with fsync on, and a database for each side: both have a table of the same name. */
export interface Databases {
  readonly port: number
  /** The process whose children are the server. */
  readonly postmaster: number
  /** Version and durability settings of the server. */
  readonly server: string
  /** Of its owner: the original makes its table itself. */
  readonly originalUrl: string
  /** Of a login that has the writer role, as a service has. */
  readonly writerUrl: string
  /** Of the owner of the trail. */
  readonly ownerUrl: string
  /** From now on each flush of the WAL takes so much longer, in ms (`commit_delay`), as on a slower disk. */
  delayFlush(ms: number): Promise<void>
  close(): Promise<void>
}

const WRITER = 'bench_writer'

export async function openDatabases(): Promise<Databases> {
  // Without it only a commit that others wait behind would be delayed by `commit_delay`.
  const server = await startPostgres({ settings: { commit_siblings: '0' } })
  try {
    await server.query('create database bench_original')
    await server.query('create database bench_ours')
    const [originalUrl, ownerUrl] = [server.url('bench_original'), server.url('bench_ours')]
    await prepareOriginal(originalUrl)
    await migrate(ownerUrl)
    await server.query(`create role ${WRITER} login in role noetl_audit_writer`)
    const { rows } = await server.query<{ version: string; fsync: string; commit: string }>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync,
         current_setting('synchronous_commit') as commit`,
    )
    const [settings] = rows
    if (settings?.fsync !== 'on' || settings.commit !== 'on') {
      throw new Error('this Postgres does not wait for the disk (fsync): its numbers would mean nothing')
    }
    const flush = await flushMs(server.dataDirectory)
    return {
      port: server.port,
      postmaster: server.pid,
      server: `Postgres ${settings.version}, fsync on, synchronous_commit on; a flush of its disk takes ${flush.toFixed(2)} ms`,
      originalUrl,
      ownerUrl,
      writerUrl: server.url('bench_ours', WRITER),
      async delayFlush(ms) {
        await server.query(`alter system set commit_delay = ${Math.round(ms * 1000)}`)
        await server.query('select pg_reload_conf()')
        await untilSetting(server, 'commit_delay', `${Math.round(ms * 1000)}`)
      },
      close: () => server.close(),
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** The postmaster has read its configuration again, when a new session has the value; open ones get it with their next command. */
async function untilSetting(server: PostgresServer, name: string, value: string): Promise<void> {
  for (;;) {
    const { rows } = await server.query<{ value: string }>(
      'select setting as value from pg_settings where name = $1',
      [name],
    )
    if (rows[0]?.value === value) return
    await sleep(10)
  }
}

/** Makes the tables and roles, as its owner does. */
export async function migrate(databaseUrl: string): Promise<void> {
  const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, [cli, 'migrate', '--roles'], { env })
}
