import { Client } from 'pg'
import { roleNames } from '../../src/postgres/schema-name.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { waitUntil } from '../../test/support/wait-until.js'
import type { Place } from './command-line.js'
import { type Installation, program } from './installation.js'

/** One database more on the server, with nothing in it. */
export async function emptyDatabase(server: PostgresServer, name: string): Promise<string> {
  await server.query(`create database ${name} template template0 encoding 'UTF8' locale 'C'`)
  return server.url(name)
}

/** The group roles of a trail belong to the server, and no dump of a database has them. */
export async function createRoles(server: PostgresServer, schema: string): Promise<void> {
  for (const role of Object.values(roleNames(schema))) await server.query(`create role ${role}`)
}

export async function dump(tools: Installation, url: string, flags: readonly string[] = []): Promise<string> {
  return await program(tools, 'pg_dump', url, flags)
}

/** Every statement must succeed. */
export async function restore(tools: Installation, url: string, script: string): Promise<void> {
  await program(tools, 'psql', url, ['--quiet', '--no-psqlrc', '--set', 'ON_ERROR_STOP=1'], script)
}

/** The dump as that of another schema. Its rows stay as they are, whatever they have. */
export function renamed(script: string, from: string, to: string): string {
  const name = new RegExp(String.raw`(?<![\w])${from}(?=[."'; ]|$|_audit_(?:writer|reader))`, 'gm')
  return script
    .split(/(^COPY [^\n]*\n[\s\S]*?^\\\.$)/m)
    .map((part) => {
      if (!part.startsWith('COPY ')) return part.replace(name, to)
      const end = part.indexOf('\n')
      return part.slice(0, end).replace(name, to) + part.slice(end)
    })
    .join('')
}

/** Every table of the schema, by publication and subscription, until the subscriber has what the publisher had. */
export async function replicate(source: Place, target: string): Promise<void> {
  const { hostname, port, username, password, pathname } = new URL(source.url)
  const publisher = new Client({ connectionString: source.url })
  const subscriber = new Client({ connectionString: target })
  await Promise.all([publisher.connect(), subscriber.connect()])
  try {
    await publisher.query(`create publication moved for tables in schema "${source.schema}"`)
    const connection = `host=${hostname} port=${port} user=${username} password=${password} dbname=${pathname.slice(1)}`
    await subscriber.query(`create subscription moved connection '${connection}' publication moved`)
    await waitUntil('the subscriber to have copied all tables', async () => {
      const { rows } = await subscriber.query<{ done: boolean }>(
        `select count(*) > 0 and bool_and(srsubstate = 'r') as done from pg_subscription_rel`,
      )
      return rows[0]?.done === true
    })
  } finally {
    await publisher.end()
    await subscriber.end()
  }
}

/** After the publisher's last commit has been applied. */
export async function endReplication(source: Place, target: string): Promise<void> {
  const publisher = new Client({ connectionString: source.url })
  const subscriber = new Client({ connectionString: target })
  await Promise.all([publisher.connect(), subscriber.connect()])
  try {
    const { rows } = await publisher.query<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn')
    await waitUntil('the subscriber to catch up', async () => {
      const confirmed = await publisher.query<{ done: boolean }>(
        `select confirmed_flush_lsn >= $1::pg_lsn as done from pg_replication_slots where slot_name = 'moved'`,
        [rows[0]?.lsn],
      )
      return confirmed.rows[0]?.done === true
    })
    await subscriber.query('drop subscription moved')
  } finally {
    await publisher.end()
    await subscriber.end()
  }
}
