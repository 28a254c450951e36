import { DiagLogLevel, diag } from '@opentelemetry/api'
import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AuditError } from '../../src/errors.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { NEVER_MS } from '../support/ledger.js'
import { openPipeline, type TestPipeline, writerLogin } from '../support/pipeline.js'
import { waitUntil } from '../support/wait-until.js'

// Faults of the server are acted out by triggers, which the check of the store would refuse.
vi.mock('../../src/postgres/store/judge.js', () => ({ judgeStore: () => [] }))

const DENIAL = { outcome: 'no_pubkey' } as const
const committed = { committedAt: expect.any(Number) }

let database: TestDatabase
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>
let pipeline: TestPipeline
const said: string[] = []

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  writer = await writerLogin(database.url)
  pipeline = openPipeline(writer.url)
  const say = (message: string): void => void said.push(message)
  diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.WARN)
  said.length = 0
})

afterEach(async () => {
  await pipeline.finish(database.url)
  diag.disable()
  await writer.drop()
  await owner.end()
  await database.drop()
})

describe('what only a person can mend', () => {
  const user = (): string => new URL(writer.url).username
  const name = (): string => new URL(database.url).pathname.slice(1)

  const faults: [string, RegExp, () => string, () => string][] = [
    [
      'the privilege to insert is revoked',
      /^42501$/,
      () => 'revoke insert on noetl.secret_audit from noetl_audit_writer',
      () => `grant insert (audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id,
        parent_execution_id, server_region, broker_region, kek_version, notes, actor_id, actor_type, source_address,
        service_name, service_instance_id, trace_id, span_id, attributes, original_audit_id, event_digest, chain_id,
        block_no, block_index) on noetl.secret_audit to noetl_audit_writer`,
    ],
    [
      'the table is renamed away',
      /^42P01$/,
      () => 'alter table noetl.secret_audit rename to secret_audit_away',
      () => 'alter table noetl.secret_audit_away rename to secret_audit',
    ],
    [
      'the schema may not be used any more',
      /^(42501|AUDIT_SCHEMA)$/,
      () => 'revoke usage on schema noetl from noetl_audit_writer',
      () => 'grant usage on schema noetl to noetl_audit_writer',
    ],
    [
      'a column is missing',
      /^42703$/,
      () => 'alter table noetl.secret_audit rename column kek_version to kek',
      () => 'alter table noetl.secret_audit rename column kek to kek_version',
    ],
    [
      'the login may not log in',
      /^28000$/,
      () =>
        `alter role ${user()} nologin; select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = '${user()}'`,
      () => `alter role ${user()} login`,
    ],
    [
      'the database has another name',
      /^3D000$/,
      () => `select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '${name()}';
        alter database ${name()} rename to ${name()}_away`,
      () => `alter database ${name()}_away rename to ${name()}`,
    ],
  ]

  test.each(faults)(
    '%s: strict callers are told at once, and why; the rest waits',
    async (what, code, damage, repair) => {
      await pipeline.ledger.strict().answer
      const elsewhere = await connect(otherDatabase())
      const mechanic = what.includes('another name') || what.includes('log in') ? elsewhere : owner
      for (const sql of damage().split(';')) await mechanic.query(sql)
      const [release, denial, async] = [
        pipeline.ledger.strict(),
        pipeline.ledger.strict(DENIAL),
        pipeline.ledger.async({ notes: 'a note that waits' }),
      ]
      for (const { answer } of [release, denial]) {
        const error = (await answer) as AuditError
        // A session that was ended a moment ago may not have been missed yet.
        if (damage().includes('terminate') && error.code === 'AUDIT_TIMEOUT') continue
        expect(error).toMatchObject({ code: 'AUDIT_UNAVAILABLE', row: 'not-stored' })
        expect(error.cause).toMatchObject({ code: expect.stringMatching(code) })
        // A table that is missing is no fault of the network.
        expect(error.message.includes('no connection: ')).toBe(damage().includes('terminate'))
      }
      await mechanic.query(repair())
      expect([await denial.fate, await async.fate]).toEqual(['stored', 'stored'])
      expect(await pipeline.ledger.strict().answer).toMatchObject(committed)
      expect(said.join('\n')).toMatch(/wait for the database, held in memory: .*; run otel-audit doctor$/m)
      if (what.includes('another name')) {
        await owner.end().catch(() => {})
        owner = await connect(database.url)
      }
      await elsewhere.end()
    },
  )

  test('is not tried in a hot loop', async () => {
    await pipeline.ledger.strict().answer
    await owner.query('revoke insert on noetl.secret_audit from noetl_audit_writer')
    const { exporter, ledger, watched } = pipeline
    ledger.async()
    const before = watched.writes.length
    const began = performance.now()
    await waitUntil('five attempts', () => watched.writes.length >= before + 5)
    // Half of 50, 100, 200 and 400 ms: pauses are never shorter than that.
    expect(performance.now() - began).toBeGreaterThan(375)
    expect(exporter.stats().pending).toBe(1)
    await owner.query('grant insert on noetl.secret_audit to noetl_audit_writer')
  })

  function otherDatabase(): string {
    const url = new URL(database.url)
    url.pathname = '/postgres'
    return url.href
  }
})

describe('what passes', () => {
  test('a statement that takes too long is cancelled by the server: its fate is known', async () => {
    await pipeline.finish(database.url)
    pipeline = openPipeline(writer.url, { answerTimeoutMs: 1000 })
    await owner.query(`
      create function public.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return null; end $$;
      create trigger slow after insert on noetl.secret_audit execute function public.slow()`)
    const { answer } = pipeline.ledger.strict({}, NEVER_MS)
    const denied = pipeline.ledger.strict(DENIAL, NEVER_MS)
    await waitUntil('a failure', () => pipeline.watched.writes[1]?.result)
    expect(pipeline.watched.writes[0]?.result).toMatchObject({
      status: 'failed',
      lasting: false,
      fault: { cause: { code: '57014' } },
    })
    await owner.query('drop trigger slow on noetl.secret_audit')
    expect(await answer).toMatchObject(committed)
    expect(await denied.answer).toMatchObject(committed)
  })

  test('no connection is left for the login', async () => {
    await owner.query(`alter role ${new URL(writer.url).username} connection limit 0`)
    // By then the pauses between two attempts are long, and it is all but sure to end in one.
    const { answer } = pipeline.ledger.strict({}, 2500)
    expect(await answer).toMatchObject({
      code: 'AUDIT_UNAVAILABLE',
      row: 'not-stored',
      cause: { code: '53300' },
    })
    const patient = pipeline.ledger.strict()
    await owner.query(`alter role ${new URL(writer.url).username} connection limit -1`)
    expect(await patient.answer).toMatchObject(committed)
  })

  test('a host with several addresses, none of which answers, is named by its error', async () => {
    const url = new URL(writer.url)
    url.hostname = 'localhost'
    url.port = '1'
    const nowhere = openPipeline(url.href)
    nowhere.ledger.async()
    await waitUntil('an attempt that has failed', () => nowhere.watched.writes[0]?.result)
    const error = (await nowhere.ledger.strict({}, 500).answer) as AuditError
    expect(error.message).toMatch(/no connection: .*ECONNREFUSED/)
    await nowhere.exporter.close(0)
  })

  test('a statement that was prepared for another table is prepared again', async () => {
    await pipeline.ledger.strict().answer
    await owner.query('alter table noetl.secret_audit add column more int')
    expect(await pipeline.ledger.strict().answer).toMatchObject(committed)
  })
})

describe('a login with settings of its own', () => {
  test('does not make a commit less than it says, nor a write impossible', async () => {
    const user = new URL(writer.url).username
    for (const setting of [
      'synchronous_commit = off',
      'default_transaction_read_only = on',
      "default_transaction_isolation = 'serializable'",
      'statement_timeout = 1',
      'bytea_output = escape',
      "timezone = 'Pacific/Kiritimati'",
      "datestyle = 'German'",
      "intervalstyle = 'sql_standard'",
      "search_path = 'pg_temp'",
    ]) {
      await owner.query(`alter role ${user} set ${setting}`)
    }
    await owner.query(`
      create table public.seen (synchronous_commit text);
      create function public.look() returns trigger language plpgsql security definer as
        $$ begin insert into public.seen values (current_setting('synchronous_commit')); return new; end $$;
      create trigger look before insert on noetl.secret_audit for each row execute function public.look()`)
    const { answer, event } = pipeline.ledger.strict({ attributes: { a: 1 } })
    expect(await answer).toMatchObject(committed)
    expect((await owner.query('select * from public.seen')).rows).toEqual([{ synchronous_commit: 'on' }])
    await pipeline.finish(database.url)
    pipeline = openPipeline(writer.url)
    // The digest that is stored is read back rightly, so the same event is known.
    expect(await pipeline.ledger.submit(event, 'strict', NEVER_MS).answer).toMatchObject(committed)
  })
})
