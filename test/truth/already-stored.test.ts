import { generateKeyPairSync } from 'node:crypto'
import type { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Ticket } from '../../src/contract/ticket.js'
import { WriterChain } from '../../src/chain/writer-chain.js'
import { eventDigest } from '../../src/event/digest.js'
import type { AuditEvent } from '../../src/event/event.js'
import { blockValues } from '../../src/postgres/block-row.js'
import { PostgresAuditSink, type PostgresAuditSinkOptions } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf, entryOf } from '../support/events.js'
import { openPipeline, writerLogin } from '../support/pipeline.js'
import { withoutBounds } from '../support/without-bounds.js'

let database: TestDatabase
let owner: Client
let writer: Awaited<ReturnType<typeof writerLogin>>
let squatter: Client
const sinks: PostgresAuditSink[] = []

beforeEach(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  // What is looked at is bounded all the same: an owner may drop them.
  await withoutBounds(owner)
  writer = await writerLogin(database.url)
  squatter = await connect(writer.url)
})

afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
  await squatter.end()
  await writer.drop()
  await owner.end()
  await database.drop()
})

function aSink(options: Partial<PostgresAuditSinkOptions> = {}): PostgresAuditSink {
  const sink = new PostgresAuditSink({ databaseUrl: writer.url, ...options })
  sinks.push(sink)
  return sink
}

const anAccess = (): AuditEvent =>
  anEvent({ credential: 'prod/root-ca', outcome: 'residency_violation', actorId: 'mallory' })

/** A row under its id, as another login with the writer role puts it there: these columns, and by default its content. */
async function squat(event: AuditEvent, columns: Readonly<Record<string, string>>): Promise<void> {
  const all: Record<string, string> = {
    audit_id: String(event.auditId),
    occurred_at: `'epoch'::timestamptz + ${event.occurredAt} * interval '1 microsecond'`,
    credential: `'${event.credential}'`,
    operation: `'${event.operation}'`,
    outcome: `'${event.outcome}'`,
    actor_id: `'${event.actorId}'`,
    execution_id: String(event.executionId),
    event_digest: `'\\x${eventDigest(event).toString('hex')}'`,
    ...columns,
  }
  await squatter.query(
    `insert into noetl.secret_audit (${Object.keys(all).join(', ')}) values (${Object.values(all).join(', ')})`,
  )
}

/** The place of a row that is really stored, as columns. */
async function aRealPlace(): Promise<Record<string, string>> {
  await aSink().write(batchOf(anEvent()))
  const { rows } = await owner.query<{ chain: string; block: string }>(
    'select chain_id as chain, block_no as block from noetl.secret_audit where chain_id is not null limit 1',
  )
  return { chain_id: `'${rows[0]?.chain}'`, block_no: String(rows[0]?.block), block_index: '0' }
}

async function aForgedPlace(body: string): Promise<Record<string, string>> {
  const chain = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
  await squatter.query(`
    insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,
      row_total, lost_total, block_time, body, signatures)
    values ('${chain}', 0, 'x', 'genesis', '', null, null, '', 0, 0, 0, 0, ${body}, ''),
      ('${chain}', 1, 'x', 'data', '', -9223372036854775808, 9223372036854775807, sha256('x'), 1, 1, 0, 0, '', '')`)
  return { chain_id: `'${chain}'`, block_no: '1', block_index: '0' }
}

/** A block of a chain of the squatter's own, signed as it should be, for the event's digest. */
async function aSignedPlace(event: AuditEvent, of?: string): Promise<Record<string, string>> {
  const { rows: identity } = await squatter.query<{ trail: string }>(
    'select trail from noetl.secret_audit_trail',
  )
  const trail = of ?? identity[0]?.trail ?? ''
  const now = (): number => Date.now() * 1000
  const chain = new WriterChain({
    log: 'x',
    service: '',
    instance: '',
    version: '0',
    trail,
    now,
    lost: () => 0,
  })
  for (;;) {
    const { columns, block } = chain.prepareRows([entryOf(event)])
    chain.sending()
    await squatter.query(
      `insert into noetl.secret_audit_block (chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count,
         row_total, lost_total, block_time, body, signatures)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
      blockValues(columns),
    )
    chain.acknowledged()
    if (block.kind === 'data') {
      return { chain_id: `'${block.chain}'`, block_no: String(block.number), block_index: '0' }
    }
  }
}

const signed =
  (columns: Readonly<Record<string, string>>) =>
  async (event: AuditEvent): Promise<Record<string, string>> => ({
    ...(await aSignedPlace(event)),
    ...columns,
  })

const SQUATS: readonly (readonly [
  what: string,
  columns: (event: AuditEvent) => Promise<Record<string, string>>,
])[] = [
  [
    'other content under its digest',
    async () => ({ credential: `'harmless'`, outcome: `'ok'`, actor_id: `'bob'` }),
  ],
  ['its own content, in no block', async () => ({})],
  ['its own content, in the block of another row', aRealPlace],
  [
    'other content, in the block of another row',
    async () => ({ ...(await aRealPlace()), actor_id: `'bob'` }),
  ],
  ['its own content, in a block that nobody signed', () => aForgedPlace(`''`)],
  [
    'its own content, in a chain whose first block is large',
    () => aForgedPlace(`repeat('writer x', 4000000)`),
  ],
  [
    'its own content, in a block that is not there',
    async () => ({ chain_id: 'gen_random_uuid()', block_no: '7', block_index: '0' }),
  ],
  [
    'its own content, at a place before the first',
    async () => ({ ...(await aRealPlace()), block_index: '-1' }),
  ],
  ['a time that is not finite', async () => ({ ...(await aRealPlace()), occurred_at: `'infinity'` })],
  ['a time before all times', async () => ({ occurred_at: `'4713-01-01 00:00:00+00 BC'` })],
  ['a text of a size that nobody writes', async () => ({ notes: `repeat('x', 200000000)` })],
  [
    'attributes of a size that nobody writes',
    async () => ({ attributes: `('"' || repeat('x', 50000000) || '"')::json` }),
  ],
  ['a digest that is none', async () => ({ event_digest: `'\\x00'` })],
  [
    'a digest of a size that nobody writes',
    async () => ({ event_digest: `decode(repeat('00', 50000000), 'hex')` }),
  ],
  ['other content, in a block signed for its digest', signed({ credential: `'harmless'` })],
  ['one field less, in a block signed for its digest', signed({ execution_id: 'null' })],
  ['one field more, in a block signed for its digest', signed({ notes: `''` })],
  ['another time, in a block signed for its digest', signed({ occurred_at: `'-infinity'` })],
  ['no digest, in a block signed for its digest', signed({ event_digest: 'null' })],
  [
    'its own content, in a block signed for another digest',
    async ({ auditId }) => aSignedPlace({ ...anAccess(), auditId }),
  ],
  ['another place, in a block signed for its digest', signed({ block_index: '1' })],
  ['no digest', async () => ({ event_digest: 'null' })],
  [
    'its own content, in a block of another trail',
    async (event) => aSignedPlace(event, '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6'),
  ],
]

describe('a squatted id is not a stored event', () => {
  test.each(SQUATS)('%s', async (_, columns) => {
    const event = anAccess()
    await squat(event, await columns(event))
    const { exporter } = openPipeline(writer.url)
    const ticket = new Ticket('strict', 30_000, 0)
    ticket.seal(event)
    const answer = await new Promise((resolve) => {
      ticket.onAnswer((error, receipt) => resolve(error ?? receipt))
      exporter.submit(ticket, 'direct')
    })
    expect(answer).toHaveProperty('place')
    expect(exporter.stats()).toMatchObject({ written: 1 })
    const { rows } = await owner.query(
      `select actor_id as who, original_audit_id::text as was from noetl.secret_audit where audit_id <> $1
       and credential = 'prod/root-ca'`,
      [String(event.auditId)],
    )
    expect(rows).toEqual([{ who: 'mallory', was: String(event.auditId) }])
    await exporter.close(60_000)
  })

  test('neither is it where the proof cannot be made', async () => {
    await owner.query(`create or replace function noetl.secret_audit_proven(ids bigint[]) returns setof bigint
      language plpgsql as $$ begin raise exception 'not today'; end $$`)
    const event = anAccess()
    const batch = batchOf(event)
    await aSink().write(batch)
    expect(await aSink().write(batch)).toEqual({ status: 'conflict', held: new Map([[event.auditId, null]]) })
  })

  test('one in a batch: the rest is what it is', async () => {
    const [known, squatted, fresh] = [anAccess(), anAccess(), anAccess()]
    await aSink().write(batchOf(known))
    await squat(squatted, {})
    const held = new Map([
      [known.auditId, eventDigest(known)],
      [squatted.auditId, null],
    ])
    expect(await aSink().write(batchOf(known, squatted, fresh))).toEqual({ status: 'conflict', held })
  })
})

describe('an event that another process has stored is stored', () => {
  test.each([1, 2, 300])('with %i in a block', async (size) => {
    const batch = batchOf(...Array.from({ length: size }, anAccess))
    await aSink().write(batch)
    const held = new Map(batch.entries.map(({ event, digest }) => [event.auditId, digest]))
    expect(await aSink().write(batch)).toEqual({ status: 'conflict', held })
  })

  test('with all that an event can have', async () => {
    const event = anEvent(
      {
        workerId: 'w-1\u{1f511}',
        executionId: -7n,
        parentExecutionId: 6n,
        serverRegion: 'ä',
        brokerRegion: 'us',
        kekVersion: 'v3',
        notes: 'a\nnote',
        actorId: 'alice',
        actorType: 'user',
        sourceAddress: '::1',
        attributes: { b: 'x', a: 1, c: true },
      },
      { serviceName: 'wallet', serviceInstanceId: 'i-1', traceId: '1'.repeat(32), spanId: '2'.repeat(16) },
    )
    const batch = batchOf({ ...event, originalAuditId: 1n })
    await aSink().write(batch)
    const held = new Map(batch.entries.map(({ event: { auditId }, digest }) => [auditId, digest]))
    expect(await aSink().write(batch)).toEqual({ status: 'conflict', held })
  })

  test('in a chain of whoever may write, where there is no enrolment key: the event is there', async () => {
    const event = anAccess()
    await squat(event, await aSignedPlace(event))
    const held = new Map([[event.auditId, eventDigest(event)]])
    expect(await aSink().write(batchOf(event))).toEqual({ status: 'conflict', held })
  })

  test('where there is an enrolment key, only in an enrolled chain', async () => {
    const pem = (): string =>
      generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    const [ours, theirs] = [pem(), pem()]
    const batches = [undefined, ours, theirs].map((enrolmentKey) => ({
      enrolmentKey,
      batch: batchOf(anAccess()),
    }))
    for (const { enrolmentKey, batch } of batches) await aSink({ enrolmentKey }).write(batch)
    const isProven = []
    for (const { batch } of batches) {
      const result = await aSink({ enrolmentKey: ours }).write(batch)
      isProven.push(result.status === 'conflict' && [...result.held.values()][0] !== null)
    }
    expect(isProven).toEqual([false, true, false])
  })
})

describe('a proof that does not come to its end', () => {
  /** The function, which does something first. */
  const before = async (statement: string): Promise<void> => {
    await owner.query(`
      create or replace function noetl.secret_audit_slow() returns void language plpgsql as $$ begin ${statement}; end $$;
      grant execute on function noetl.secret_audit_slow() to public`)
  }

  beforeEach(async () => {
    await before('null')
    await owner.query(`
      alter function noetl.secret_audit_proven(bigint[]) rename to secret_audit_proven_first;
      create function noetl.secret_audit_proven(ids bigint[]) returns setof bigint language plpgsql security definer as $$
      begin perform noetl.secret_audit_slow(); return query select noetl.secret_audit_proven_first(ids); end $$;
      grant execute on function noetl.secret_audit_proven(bigint[]) to noetl_audit_writer`)
  })

  const unknown = (code: string): object => ({
    status: 'unknown',
    fault: { code: 'AUDIT_TIMEOUT', cause: { code } },
  })

  test.each([
    ['57014', 'a time-out', 'perform pg_sleep(60)'],
    ['55P03', 'a lock', 'perform pg_advisory_xact_lock(815)'],
    ['53200', 'a lack of memory', `raise exception 'no' using errcode = '53200'`],
    ['40P01', 'a deadlock', `raise exception 'no' using errcode = '40P01'`],
  ])('%s, %s: is not known to be stored, until it is over; never another row', async (code, _, statement) => {
    const batch = batchOf(anAccess())
    await aSink().write(batch)
    await owner.query('select pg_advisory_lock(815)')
    await before(statement)
    const sink = aSink({ answerTimeoutMs: 1000 })
    expect(await sink.write(batch)).toMatchObject(unknown(code))
    expect(await sink.write(batch)).toMatchObject(unknown(code))
    await before('null')
    const result = await sink.write(batch)
    expect(result).toMatchObject({ status: 'conflict' })
    expect(result.status === 'conflict' && [...result.held.values()]).toEqual([batch.entries[0]?.digest])
  })

  test('a time-out each time: whoever made a row so that it takes that long does not stop a writer', async () => {
    const batch = batchOf(anAccess())
    await aSink().write(batch)
    await before('perform pg_sleep(60)')
    const sink = aSink({ answerTimeoutMs: 1000 })
    expect(await sink.write(batch)).toMatchObject(unknown('57014'))
    expect(await sink.write(batch)).toMatchObject(unknown('57014'))
    const result = await sink.write(batch)
    expect(result.status === 'conflict' && [...result.held.values()]).toEqual([null])
  })
})
