import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type PostgresServer, startPostgres } from '../../test/support/postgres/server.js'

/** What a server for such a trail has at least; everything else is as Postgres has it. */
const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB' }

/** While a trail is filled nobody waits for the disk, and rows that come with their table leave no WAL. */
const FILLING = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum: 'off',
  maintenance_work_mem: '512MB',
}

export const WRITER = 'years_writer'
export const READER = 'years_reader'

/** @param directory where its data are kept. Default: nowhere */
export async function openServer(directory: string | undefined): Promise<PostgresServer> {
  const server = await startPostgres({
    settings: SETTINGS,
    ...(directory !== undefined && { keptIn: directory }),
  })
  try {
    // One that was killed while it was being filled.
    await settingsOf(server, FILLING, 'reset')
    return server
  } catch (error) {
    await server.close()
    throw error
  }
}

/** Restarts the server around `work`, so that it takes rows as fast as it can, and is durable again afterwards. */
export async function whileFilling<T>(server: PostgresServer, work: () => Promise<T>): Promise<T> {
  await settingsOf(server, FILLING, 'set')
  const result = await work()
  await settingsOf(server, FILLING, 'reset')
  await flush(server.dataDirectory)
  return result
}

/** What was not waited for is on the disk then, and is not being written while something is measured. */
async function flush(dataDirectory: string): Promise<void> {
  for (const entry of await readdir(dataDirectory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // One that is gone meanwhile is nothing to wait for.
    const file = await open(join(entry.parentPath, entry.name)).catch(() => undefined)
    await file?.sync()
    await file?.close()
  }
}

/** Makes the logins that a service and a reader have, if they are not there. The group roles come with the first migration. */
export async function makeLogins(server: PostgresServer): Promise<void> {
  for (const [login, group] of [
    [WRITER, 'noetl_audit_writer'],
    [READER, 'noetl_audit_reader'],
  ] as const) {
    const { rowCount } = await server.query('select from pg_roles where rolname = $1', [login])
    if (rowCount === 0) await server.query(`create role ${login} login in role ${group}`)
  }
}

async function settingsOf(
  server: PostgresServer,
  settings: Readonly<Record<string, string>>,
  what: 'set' | 'reset',
): Promise<void> {
  const { rows } = await server.query<{ name: string }>(
    `select name from pg_file_settings where sourcefile like '%postgresql.auto.conf'`,
  )
  const isSet = new Set(rows.map(({ name }) => name))
  if (what === 'reset' && !Object.keys(settings).some((name) => isSet.has(name))) return
  for (const [name, value] of Object.entries(settings)) {
    await server.query(
      what === 'set' ? `alter system set ${name} = '${value}'` : `alter system reset ${name}`,
    )
  }
  await server.restart()
}
