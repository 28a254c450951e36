import { deepEqual } from 'node:assert/strict'
import { Client } from 'pg'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { idAt, ORIGINAL_START_UP } from '../../test/postgres/adopt/original-table.js'
import { expectDeferredFired, expectOurs, sql } from '../../test/support/ours.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import type { Installation } from './installation.js'
import { dump, emptyDatabase, restore } from './moves.js'

const AHEAD_MS = 40 * 86_400_000

/** A trail of an older server, made just now or of the original's table, is ours on a newer one, and was on its own. */
export async function expectOursOnNewer(
  tools: Installation,
  older: PostgresServer,
  newest: PostgresServer,
  { adopts, name }: { readonly adopts: boolean; readonly name: string },
): Promise<void> {
  const old = await emptyDatabase(older, name)
  if (adopts) await sql(old, 'create schema noetl', ...ORIGINAL_START_UP)
  await migrate({ databaseUrl: old, roles: true })
  await expectOurs(old)
  await expectDeferredFired(old)
  const url = await emptyDatabase(newest, name)
  await restore(tools, url, await dump(tools, old, ['--no-owner']))
  await expectOurs(url)
}

/** A dump is restored with every row, whatever the clock says of them. */
export async function expectRowsAheadRestored(tools: Installation, server: PostgresServer): Promise<void> {
  const dumped = await emptyDatabase(server, 'ahead')
  await migrate({ databaseUrl: dumped, roles: true })
  // A row from before the bounds, or of a machine whose clock is a month behind.
  const far = idAt(Date.now() + AHEAD_MS).toString()
  const [definition] = await column(
    dumped,
    `select pg_get_constraintdef(oid) from pg_constraint
     where conname = 'secret_audit_not_ahead' and conrelid = 'noetl.secret_audit'::regclass`,
  )
  await sql(
    dumped,
    'alter table noetl.secret_audit drop constraint secret_audit_not_ahead',
    `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (${far}, 'c', 'o', 'ok')`,
    `alter table noetl.secret_audit add constraint secret_audit_not_ahead ${String(definition)}`,
  )
  const restored = await emptyDatabase(server, 'ahead_restored')
  await restore(tools, restored, await dump(tools, dumped))
  deepEqual(await column(restored, 'select audit_id::text from noetl.secret_audit'), [far])
  const constraints = `select concat_ws(' ', conrelid::regclass, conname, convalidated) from pg_constraint
    where contype = 'c' and conrelid <> 0 order by 1`
  deepEqual(await column(restored, constraints), await column(dumped, constraints))
}

async function column(url: string, query: string): Promise<readonly unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<unknown[]>({ text: query, rowMode: 'array' })).rows.map(([value]) => value)
  } finally {
    await client.end()
  }
}
