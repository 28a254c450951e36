import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { ComputedEvidence } from '../../src/query/evidence.js'
import { parseTrust } from '../../src/verify/trust.js'
import { type HonestTrail, honestTrail, ORIGIN, unguard } from '../cli/honest-trail.js'
import { otelAudit } from '../cli/otel-audit.js'
import { PATH, served } from '../server/served.js'
import { connect, copyOf, type TestDatabase } from '../support/database.js'

let honest: HonestTrail
let database: TestDatabase
let client: Client
let victim: string
let directory: string

beforeAll(async () => {
  honest = await honestTrail()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-shown-'))
})
afterAll(async () => {
  rmSync(directory, { recursive: true })
  await honest.database.drop()
})
beforeEach(async () => {
  database = await copyOf(honest.database)
  client = await connect(database.url)
  const { rows } = await client.query<{ id: string }>(
    'select audit_id::text as id from noetl.secret_audit where chain_id = $1 and block_no = 3 order by 1',
    [honest.chains.idle],
  )
  victim = rows[2]?.id ?? ''
})
afterEach(async () => {
  await client.end()
  await database.drop()
})

/** A view in the place of the rows' table, which says "innocent" of one row to those whom `condition` picks. */
async function lyingView(condition: string, lies = ['credential', 'outcome', 'actor_id']): Promise<void> {
  await client.query(`
    alter table noetl.secret_audit rename to secret_audit_real;
    do $$ declare cols text; begin
      select string_agg(
        case when attname in (${lies.map((column) => `'${column}'`).join(', ')})
          then format('case when audit_id = ${victim} and ${condition} then %L else %I end as %I', 'innocent', attname, attname)
          else quote_ident(attname) end, ', ' order by attnum)
      into cols from pg_attribute
      where attrelid = 'noetl.secret_audit_real'::regclass and attnum > 0 and not attisdropped;
      execute 'create view noetl.secret_audit as select ' || cols || ' from noetl.secret_audit_real'; end $$;
    create function noetl.ins() returns trigger language plpgsql as $$ begin
      new.recorded_at = clock_timestamp(); new.recorded_xid = pg_current_xact_id()::text::bigint;
      insert into noetl.secret_audit_real select new.*; return new; end $$;
    create trigger i instead of insert on noetl.secret_audit for each row execute function noetl.ins()`)
}

const WHOM: Record<string, string> = {
  'the query of the console': `current_query() like E''%%to_char(occurred_at%%''`,
  'whatever is not a copy': `current_query() not like E''%%copy (%%''`,
  'the second half of a coin': 'random() < 0.5',
}

for (const [name, condition] of Object.entries(WHOM)) {
  test(`a row is never shown as verified while it says what was not proven: a view that lies to ${name}`, async () => {
    const proven = await client.query<{ credential: string }>(
      `select credential from noetl.secret_audit where audit_id = ${victim}`,
    )
    await lyingView(condition)
    const trust = parseTrust(`origin ${ORIGIN}\nenrolment ${honest.verifierKey}\nunsigned none\n`)
    const evidence = new ComputedEvidence({ databaseUrl: database.url, schema: 'noetl', trust })
    // A trail with a view for a table takes no row: what the console has to record, it records elsewhere.
    const elsewhere = createAudit({ sink: new RecordingAuditSink() })
    const api = await served(database.url, { evidence, audit: elsewhere.service })
    for (let i = 0; i < 4; i++) {
      const { body } = await api.get(`${PATH}/${victim}`)
      const shown = body as { row: { credential: string }; evidence: { status: string } }
      if (shown.evidence.status !== 'verified') continue
      expect(shown.row.credential).toBe(proven.rows[0]?.credential)
    }
    await elsewhere.close()
  })
}

// What is counted in a manifest says something of the outcome, and nothing of the rest.
test.each(['credential', 'outcome', 'notes', 'worker_id'])(
  'an exported row whose %s a view has made up is found',
  async (column) => {
    await lyingView(`current_query() not like E''%%copy (%%''`, [column])
    const out = join(directory, `lying-${column}.ndjson`)
    const env = { DATABASE_URL: database.url }
    const { code, stderr } = await otelAudit(
      ['export', '--unrecorded', '--from', '-24h', '--output', out],
      env,
    )
    expect(code, stderr).toBe(0)
    const manifest = ['verify', '--manifest', `${out}.manifest.json`, '--format', 'json']
    const checked = await otelAudit(manifest, env)
    const { findings } = JSON.parse(checked.stdout) as { findings: object }
    expect(checked.code).toBe(1)
    expect(Object.keys(findings)).toEqual(expect.arrayContaining(['store-altered', 'export-rows']))
  },
)

test('a row that an index does not give is missed, in the check of the export that lacks it', async () => {
  await unguard(client)
  // An index that says it has every row, and has not: what a superuser, or a damaged disk, can do.
  await client.query(`
    alter table noetl.secret_audit rename to real;
    create view noetl.secret_audit as select * from noetl.real where audit_id <> ${victim}`)
  const out = join(directory, 'lacking.ndjson')
  const env = { DATABASE_URL: database.url }
  await otelAudit(['export', '--unrecorded', '--from', '-24h', '--output', out], env)
  await client.query('drop view noetl.secret_audit; alter table noetl.real rename to secret_audit')
  const checked = await otelAudit(['verify', '--manifest', `${out}.manifest.json`, '--format', 'json'], env)
  const { findings } = JSON.parse(checked.stdout) as { findings: object }
  expect([checked.code, Object.keys(findings)]).toEqual([1, ['export-rows']])
})

test('a signer whom nobody vouches for is said', async () => {
  const open = async (text: string): Promise<unknown> => {
    const evidence = new ComputedEvidence({
      databaseUrl: database.url,
      schema: 'noetl',
      trust: parseTrust(text),
    })
    const { body } = await (await served(database.url, { evidence })).get(`${PATH}/${victim}`)
    return (body as { evidence: unknown }).evidence
  }
  expect(await open('')).toMatchObject({ status: 'verified', vouched: false })
  expect(await open(`enrolment ${honest.verifierKey}\n`)).toMatchObject({ status: 'verified', vouched: true })
})
