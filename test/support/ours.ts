import { deepEqual, equal } from 'node:assert/strict'
import { Client } from 'pg'
import { OWNER_CHECK } from '../../src/postgres/owner.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { allowLines } from './allow-lines.js'
import { anEvent, batchOf } from './events.js'

/** Runs statements in their order, as the URL's login. */
export async function sql(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

/** No finding, and batches of all sizes are committed. */
export async function expectOurs(url: string, schema = 'noetl'): Promise<void> {
  const sink = new PostgresAuditSink({ databaseUrl: url, schema })
  // The login of these tests is a superuser's.
  const findings = (await sink.check()).filter(({ check }) => check !== OWNER_CHECK)
  deepEqual(findings, [])
  for (const size of [1, 5]) {
    const result = await sink.write(batchOf(...Array.from({ length: size }, () => anEvent())))
    equal(result.status, 'committed', JSON.stringify(result))
  }
  await sink.close()
}

/** An older server warns of the statement that does it. */
export async function expectDeferredFired(url: string): Promise<void> {
  await sql(
    url,
    `create function public.own() returns trigger language plpgsql as
       $$ begin perform set_config('own.ran', new.audit_id::text, false); return new; end $$`,
    `create constraint trigger own after insert on noetl.secret_audit deferrable initially deferred
       for each row execute function public.own()`,
  )
  const strange = new PostgresAuditSink({ databaseUrl: url })
  const allowInStore = (await allowLines(strange)).join('\n')
  const sink = new PostgresAuditSink({ databaseUrl: url, allowInStore })
  const result = await sink.write(batchOf(anEvent()))
  equal(result.status, 'committed', JSON.stringify(result))
  await sink.close()
  await sql(url, 'drop trigger own on noetl.secret_audit')
}
