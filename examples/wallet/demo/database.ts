import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, escapeIdentifier, escapeLiteral, type QueryResultRow } from 'pg'
import { packageRoot } from '../../../test/support/postgres/package-root.js'
import { startPostgres } from '../../../test/support/postgres/server.js'

/** A migrated database, a login that may write the trail and nothing else, and one that may read it. */
export interface DemoDatabase {
  /** Of the owner. It holds a password. */
  readonly ownerUrl: string
  /** What the services connect with. */
  readonly writerUrl: string
  /** What reads the trail. */
  readonly readerUrl: string
  readonly embedded: boolean
  close(): Promise<void>
}

/** Uses the database at `url`, or starts an embedded Postgres, which goes away with this process. */
export async function openDatabase(url: string | undefined): Promise<DemoDatabase> {
  if (url !== undefined) {
    await reach(url)
    return prepare(url, false, async () => {})
  }
  const server = await startPostgres()
  try {
    return await prepare(server.url(), true, () => server.close())
  } catch (error) {
    await server.close()
    throw error
  }
}

async function prepare(
  ownerUrl: string,
  embedded: boolean,
  after: () => Promise<void>,
): Promise<DemoDatabase> {
  await migrate(ownerUrl)
  const run = randomBytes(4).toString('hex')
  const [writer, reader] = [`wallet_demo_${run}`, `wallet_demo_reader_${run}`]
  const writerUrl = await createLogin(ownerUrl, writer, 'noetl_audit_writer')
  const readerUrl = await createLogin(ownerUrl, reader, 'noetl_audit_reader')
  return {
    ownerUrl,
    writerUrl,
    readerUrl,
    embedded,
    async close() {
      // The rows stay, since rows of the trail cannot be removed. With the embedded server they go along with it.
      const roles = [writer, reader].map(escapeIdentifier).join(', ')
      if (!embedded) await query(ownerUrl, `drop role if exists ${roles}`)
      await after()
    },
  }
}

/** Runs what a user runs: the command line. */
async function migrate(ownerUrl: string): Promise<void> {
  const cli = join(packageRoot(), 'dist', 'cli', 'main.js')
  const env = { ...process.env, DATABASE_URL: ownerUrl }
  try {
    await promisify(execFile)(process.execPath, [cli, 'migrate', '--roles'], { env })
  } catch (error) {
    const output = (error as { stderr?: string }).stderr?.trim()
    throw new Error(`otel-audit migrate failed: ${output || (error as Error).message}`, { cause: error })
  }
}

/** A role may be left behind in a database that is not the demo's when the demo is killed: its password expires. */
async function createLogin(ownerUrl: string, role: string, group: string): Promise<string> {
  const password = randomBytes(18).toString('base64url')
  const until = new Date(Date.now() + 24 * 3600 * 1000).toISOString()
  await query(
    ownerUrl,
    `create role ${escapeIdentifier(role)} login password ${escapeLiteral(password)}
       valid until ${escapeLiteral(until)} in role ${escapeIdentifier(group)}`,
  )
  const url = new URL(ownerUrl)
  url.username = role
  url.password = password
  for (const name of ['user', 'password']) url.searchParams.delete(name)
  return url.href
}

/** @throws Error that names the server, and not the password, when it cannot be reached. */
async function reach(url: string): Promise<void> {
  if (!URL.canParse(url))
    throw new Error('DATABASE_URL is not a URL; postgres://user@host:5432/database is one')
  const { host, pathname } = new URL(url)
  try {
    await query(url, 'select 1')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`cannot connect to DATABASE_URL (${host}${pathname}): ${message || code}`, {
      cause: error,
    })
  }
}

/** One statement on a connection of its own. */
async function query<Row extends QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {}) // The pending query tells it too.
  await client.connect()
  try {
    return (await client.query<Row>(sql, values)).rows
  } finally {
    await client.end()
  }
}
