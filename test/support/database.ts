import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { inject } from 'vitest'

/** A database for one test file. Databases are separate, but roles are not: they are the whole server's. */
export interface TestDatabase {
  readonly name: string
  /** The superuser's connection string. */
  readonly url: string
  /** Ends all sessions and removes the database. Idempotent. */
  drop(): Promise<void>
}

interface Migrations {
  readonly migrate: (options: { databaseUrl: string; roles?: boolean }) => Promise<unknown>
}

/** Guards the template against being made by two test files at once. Arbitrary, and not used by the library. */
const TEMPLATE_LOCK = 7_203_155

/** What the cluster was made with does not matter: text sorts by its bytes, on whatever server. */
const EMPTY = `template0 encoding 'UTF8' locale 'C'`

/** A database with nothing in it. */
export function emptyDatabase(): Promise<TestDatabase> {
  return createDatabase(EMPTY)
}

/**
 * A database with the library's schema and roles in their newest version: a copy of a template, which the first caller
 * of the run migrates.
 */
export async function migratedDatabase(): Promise<TestDatabase> {
  const { prefix } = inject('postgres')
  const template = `${prefix}template`
  await withServer(async (server) => {
    await server.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]) // Held until the connection ends.
    const found = await server.query('select from pg_database where datname = $1', [template])
    if (found.rowCount === 0) await createTemplate(server, template)
  })
  const database = await createDatabase(template)
  // A trail of its own: a copy would have the identity of the template.
  const client = await connect(database.url)
  await client.query('select noetl.secret_audit_begin_trail(true)')
  await client.end()
  return database
}

/** Another database with all that this one has, its identity included. Nobody may be connected to it. */
export function copyOf({ name }: TestDatabase): Promise<TestDatabase> {
  return createDatabase(name)
}

/** A connected client. That its server goes away is told by its queries, and does not end the test process. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** It has its final name only when it is complete. */
async function createTemplate(server: Client, template: string): Promise<void> {
  const draft = `${template}_draft`
  await server.query(`drop database if exists ${draft} with (force)`)
  await server.query(`create database ${draft} template ${EMPTY}`)
  const { migrate } = await migrations()
  await migrate({ databaseUrl: databaseUrl(draft), roles: true })
  await server.query(`alter database ${draft} rename to ${template}`)
  // Nobody may change it, and no open connection may be in the way of copying it.
  await server.query(`alter database ${template} with is_template true allow_connections false`)
}

/** Found at run time: a test of the launcher alone needs none of the library. */
async function migrations(): Promise<Migrations> {
  const source = new URL('../../src/postgres/migrate/migrate.ts', import.meta.url)
  return (await import(source.href)) as Migrations
}

async function createDatabase(template: string): Promise<TestDatabase> {
  const name = `${inject('postgres').prefix}${randomBytes(6).toString('hex')}`
  await withServer((server) => server.query(`create database ${name} template ${template}`))
  return {
    name,
    url: databaseUrl(name),
    async drop() {
      await withServer((server) => server.query(`drop database if exists ${name} with (force)`))
    },
  }
}

function databaseUrl(name: string): string {
  const url = new URL(inject('postgres').url)
  url.pathname = `/${name}`
  return url.href
}

async function withServer(work: (server: Client) => Promise<unknown>): Promise<void> {
  const server = await connect(inject('postgres').url)
  try {
    await work(server)
  } finally {
    await server.end()
  }
}
