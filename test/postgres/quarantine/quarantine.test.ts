import { randomBytes } from 'node:crypto'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SetAside } from '../../../src/contract/sink.js'
import { sha256 } from '../../../src/event/sha256.js'
import { firstIdOf } from '../../../src/event/snowflake.js'
import { Quarantine } from '../../../src/postgres/quarantine/quarantine.js'
import { PostgresAuditSink } from '../../../src/postgres/write/sink.js'
import { connect, emptyDatabase, migratedDatabase, type TestDatabase } from '../../support/database.js'
import { anEvent, entryOf } from '../../support/events.js'

// What was set aside beside a row, as an operator looks at it and decides.

const CANARY = 'canary-secret-51c0'

let database: TestDatabase
let owner: Client
let sink: PostgresAuditSink
let quarantine: Quarantine
let place: { readonly chain: string; readonly block: string }

const optionsOf = (databaseUrl: string) => ({
  databaseUrl,
  schema: 'noetl',
  applicationName: 'quarantine',
  answerTimeoutMs: 10_000,
  synchronousCommit: 'on' as const,
})

function item(more: Partial<SetAside> = {}): SetAside {
  const raw = Buffer.from(`raw ${CANARY}`)
  return {
    quarantineId: firstIdOf(Date.now()) + BigInt(randomBytes(2).readUInt16BE()),
    fingerprint: randomBytes(32),
    sender: 'collector',
    reason: 'invalid',
    format: 'otlp/span',
    serviceName: 'billing',
    serviceInstanceId: 'i-1',
    traceId: '1'.repeat(32),
    spanId: '2'.repeat(16),
    ordinal: 3,
    receivedAt: Date.now() * 1000,
    raw,
    rawSha256: sha256(raw),
    ...more,
  }
}

/** Each in a batch of its own, so that their order is known. */
async function keep(...items: readonly SetAside[]): Promise<void> {
  for (const one of items) {
    const result = await sink.write({ entries: [{ ...entryOf(anEvent()), setAside: [one] }] })
    if (result.status !== 'committed' || result.place === undefined) throw new Error(result.status)
    place = { chain: result.place.chain, block: `${result.place.block}` }
  }
}

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  sink = new PostgresAuditSink({ databaseUrl: database.url })
})

afterAll(async () => {
  await sink.close()
  await owner.end()
  await database.drop()
})

beforeEach(async () => {
  quarantine = await Quarantine.open(optionsOf(database.url))
})

afterEach(() => quarantine.close())

test('an item says what it was kept with, and where the row about it is', async () => {
  const kept = item()
  await keep(kept)
  const [found, ...more] = await quarantine.find(kept.quarantineId)
  expect(more).toEqual([])
  const { fingerprint, rawSha256, raw, ...same } = kept
  expect(found).toEqual({
    ...same,
    fingerprint: fingerprint.toString('hex'),
    rawSha256: rawSha256.toString('hex'),
    bytes: raw.length,
    ...place,
    index: 0,
    decision: null,
  })
  expect(found === undefined ? undefined : await quarantine.raw(found)).toEqual(raw)
})

test('what nobody knew of it is NULL', async () => {
  const unknown = { serviceName: null, serviceInstanceId: null, traceId: null, spanId: null }
  const kept = item(unknown)
  await keep(kept)
  expect((await quarantine.find(kept.quarantineId))[0]).toMatchObject(unknown)
})

test('the newest comes first, and what was decided about only when all are asked for', async () => {
  const [older, newer] = [item(), item()]
  await keep(older, newer)
  const [first, second] = await quarantine.list(false, 2)
  expect([first?.quarantineId, second?.quarantineId]).toEqual([newer.quarantineId, older.quarantineId])
  expect(await quarantine.list(false, 1)).toHaveLength(1)
  if (first === undefined) throw new Error('nothing is kept')
  await quarantine.decide(first, { decision: 'discarded', decidedBy: 'alice' })
  expect((await quarantine.list(false, 1))[0]?.quarantineId).toBe(older.quarantineId)
  expect((await quarantine.list(true, 1))[0]).toMatchObject({
    quarantineId: newer.quarantineId,
    decision: 'discarded',
  })
})

test('the first decision stands', async () => {
  const kept = item()
  await keep(kept)
  const [found] = await quarantine.find(kept.quarantineId)
  if (found === undefined) throw new Error('it is not kept')
  await quarantine.decide(found, { decision: 'replayed', auditId: 77n, decidedBy: 'alice' })
  await quarantine.decide(found, { decision: 'discarded', decidedBy: 'bob' })
  const { rows } = await owner.query(
    'select decision, audit_id, decided_by from noetl.secret_audit_quarantine_end where quarantine_id = $1',
    [`${kept.quarantineId}`],
  )
  expect(rows).toEqual([{ decision: 'replayed', audit_id: '77', decided_by: 'alice' }])
})

describe('an error', () => {
  const saidBy = async (work: Promise<unknown>) =>
    work.then(
      () => 'nothing',
      ({ message }: Error) => message,
    )

  test('of an item that is gone says so', async () => {
    const kept = item()
    await keep(kept)
    const [found] = await quarantine.find(kept.quarantineId)
    if (found === undefined) throw new Error('it is not kept')
    const gone = { ...found, fingerprint: 'ab'.repeat(32) }
    expect(await saidBy(quarantine.raw(gone))).toBe('AUDIT_READ_FAILED: it is not there any more')
  })

  test('of the server says what to do, and quotes nothing that is kept', async () => {
    const kept = item()
    await keep(kept)
    const [found] = await quarantine.find(kept.quarantineId)
    if (found === undefined) throw new Error('it is not kept')
    const wrong = { decision: CANARY as 'replayed', decidedBy: 'alice' }
    const said = await saidBy(quarantine.decide(found, wrong))
    expect(said).toMatch(/^AUDIT_READ_FAILED: the quarantine cannot be used: SQLSTATE 23514 .*decision_check/)
    expect(said).not.toContain(CANARY)
  })

  test('when there is no server, or nobody says where it is', async () => {
    const nowhere = new URL(database.url)
    nowhere.port = '1'
    expect(await saidBy(Quarantine.open(optionsOf(nowhere.href)))).toMatch(
      /^AUDIT_UNAVAILABLE: the quarantine cannot be opened: .*ECONNREFUSED/,
    )
    const secretive = (): string => {
      throw new Error(CANARY)
    }
    const said = await saidBy(Quarantine.open({ ...optionsOf(''), databaseUrl: secretive }))
    expect(said).toMatch(/^AUDIT_SESSION: the function that gives databaseUrl throws/)
    expect(said).not.toContain(CANARY)
  })

  test('when the schema is not there: the session does not stay open', async () => {
    const empty = await emptyDatabase()
    try {
      expect(await saidBy(Quarantine.open(optionsOf(empty.url)))).toMatch(/^AUDIT_SCHEMA/)
      const { rows } = await owner.query<{ n: number }>(
        'select count(*)::int as n from pg_stat_activity where datname = $1 and application_name = $2',
        [empty.name, 'quarantine'],
      )
      expect(rows).toEqual([{ n: 0 }])
    } finally {
      await empty.drop()
    }
  })
})
