import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { Client, escapeIdentifier } from 'pg'
import type { TestProject } from 'vitest/node'
import { memoryDisk } from './memory-disk.js'
import { CLUSTER_TEMPLATE, createClusterTemplate, removeCluster } from './postgres/cluster.js'
import { guard, release } from './postgres/guard.js'
import { startPostgres } from './postgres/server.js'

/** Where a test run finds its Postgres. Handed by the global set-up to the test files. */
export interface TestPostgres {
  /** A superuser's connection string, to a database that is nobody's. */
  readonly url: string
  /** Begins the name of each database of this run: a server of the user's own may serve several runs at once. */
  readonly prefix: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: TestPostgres
  }
}

/** One server for the whole run: `TEST_DATABASE_URL` if given, which then must be a superuser's, else one of our own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const prefix = `otel_audit_${randomBytes(4).toString('hex')}_`
  const removeDisk = await useMemoryDisk()
  const template = await createClusterTemplate()
  process.env[CLUSTER_TEMPLATE] = template.directory
  const cleanUp = async (): Promise<void> => {
    await removeCluster(template)
    await removeDisk()
  }
  const given = process.env['TEST_DATABASE_URL']
  if (given !== undefined && given !== '') {
    project.provide('postgres', { url: given, prefix })
    return async () => {
      await dropDatabases(given, prefix)
      await cleanUp()
    }
  }
  const server = await startPostgres({ settings: { max_connections: '300' } })
  project.provide('postgres', { url: server.url(), prefix })
  return async () => {
    await server.close()
    await cleanUp()
  }
}

/** Temporary files of this run go to memory, unless the user says where. It also goes when this process is killed. */
async function useMemoryDisk(): Promise<() => Promise<void>> {
  const disk = process.env['TMPDIR'] === undefined ? memoryDisk() : undefined
  if (disk === undefined) return async () => {}
  await guard(disk)
  await mkdir(disk)
  // The server's account enters it, whatever our umask.
  await chmod(disk, 0o755)
  process.env['TMPDIR'] = disk
  return async () => {
    await rm(disk, { recursive: true, force: true })
    await release(disk)
  }
}

async function dropDatabases(url: string, prefix: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const found = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [prefix],
    )
    for (const { name } of found.rows) {
      await client.query(`alter database ${escapeIdentifier(name)} is_template false`)
      await client.query(`drop database ${escapeIdentifier(name)} with (force)`)
    }
  } finally {
    await client.end()
  }
}
