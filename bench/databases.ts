import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { startPostgres } from '../test/support/postgres/server.js'
import { flushMs } from './flush.js'
import { prepareOriginal } from './original-side.js'

/** One server, with fsync on, and a database for each side: both have a table of the same name. */
export interface Databases {
  /** Version and durability settings of the server. */
  readonly server: string
  /** Of its owner: the original makes its table itself. */
  readonly originalUrl: string
  /** Of a login that has the writer role, as a service has. */
  readonly writerUrl: string
  /** Of the owner of the trail. */
  readonly ownerUrl: string
  close(): Promise<void>
}

const WRITER = 'bench_writer'

/** @param commitDelayUs so much longer each flush of the WAL takes (`commit_delay`), as on a slower disk */
export async function openDatabases(commitDelayUs: number): Promise<Databases> {
  // Without `commit_siblings` only a commit that others wait behind would be delayed.
  const settings = { commit_delay: `${commitDelayUs}`, commit_siblings: '0' }
  const server = await startPostgres({ settings })
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
    const flush = (await flushMs(server.dataDirectory)) + commitDelayUs / 1000
    return {
      server: `Postgres ${settings.version}, fsync on, synchronous_commit on; a flush of its disk takes ${flush.toFixed(2)} ms`,
      originalUrl,
      ownerUrl,
      writerUrl: server.url('bench_ours', WRITER),
      close: () => server.close(),
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** Makes the tables and roles, as its owner does. */
export async function migrate(databaseUrl: string): Promise<void> {
  const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
  const env = { ...process.env, DATABASE_URL: databaseUrl }
  await promisify(execFile)(process.execPath, [cli, 'migrate', '--roles'], { env })
}
