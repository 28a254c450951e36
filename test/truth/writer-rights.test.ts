import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anEvent, batchOf } from '../support/events.js'
import { FIELDS } from '../../src/event/fields.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { writerLogin } from '../support/pipeline.js'
import { idAt } from '../postgres/adopt/original-table.js'

const DAY_MS = 86_400_000

let database: TestDatabase
let owner: pg.Client
let login: Awaited<ReturnType<typeof writerLogin>>
let writer: pg.Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  login = await writerLogin(database.url)
  writer = await connect(login.url)
})

afterAll(async () => {
  await writer.end()
  await login.drop()
  await owner.end()
  await database.drop()
})

let next = 0
const row = (fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> => {
  const all: Record<string, unknown> = {
    audit_id: (idAt(Date.now(), 1) + BigInt(next++)).toString(),
    credential: 'c',
    operation: 'o',
    outcome: 'ok',
    ...fields,
  }
  const names = Object.keys(all)
  return writer.query(
    `insert into noetl.secret_audit (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(all),
  )
}

const block = (fields: Readonly<Record<string, string>> = {}): Promise<unknown> => {
  const all: Record<string, string> = {
    chain_id: 'gen_random_uuid()',
    block_no: '0',
    log: `'x'`,
    kind: `'genesis'`,
    prev_hash: `''`,
    root: `''`,
    row_count: '0',
    row_total: '0',
    lost_total: '0',
    block_time: '0',
    body: `''`,
    signatures: `''`,
    ...fields,
  }
  return writer.query(
    `insert into noetl.secret_audit_block (${Object.keys(all).join(', ')}) select ${Object.values(all).join(', ')}`,
  )
}

const violates = (constraint: string): object => ({ code: '23514', constraint })

describe('an id ahead of the database’s clock', () => {
  test('by up to 24 hours is taken', async () => {
    await row({ audit_id: idAt(Date.now() + DAY_MS - 60_000).toString() })
  })

  test.each([
    ['a minute more than that', () => idAt(Date.now() + DAY_MS + 60_000)],
    ['a week', () => idAt(Date.now() + 7 * DAY_MS)],
    ['ten months', () => idAt(Date.now() + 300 * DAY_MS)],
  ])('by %s is refused', async (_, id) => {
    await expect(row({ audit_id: id().toString() })).rejects.toMatchObject(violates('secret_audit_not_ahead'))
    const asOriginal = { audit_id: id().toString(), event_digest: null }
    await expect(row(asOriginal)).rejects.toMatchObject(violates('secret_audit_not_ahead'))
  })

  test('is refused to the owner as well', async () => {
    const id = idAt(Date.now() + 2 * DAY_MS).toString()
    const insert = `insert into noetl.secret_audit (audit_id, credential, operation, outcome) values (${id}, 'c', 'o', 'ok')`
    await expect(owner.query(insert)).rejects.toMatchObject(violates('secret_audit_not_ahead'))
  })
})

describe('sizes', () => {
  const DIGEST = Buffer.alloc(32)
  const texts = FIELDS.filter(({ limit }) => limit !== undefined)

  test.each(texts.map(({ column, limit = 0 }) => [column, limit] as const))(
    'of %s: all that an event may have is taken, and no more',
    async (column, limit) => {
      // Three bytes for each UTF-16 code unit, which is the most there is.
      await row({ [column]: '€'.repeat(limit), event_digest: DIGEST })
      const tooLong = { [column]: `${'€'.repeat(limit)}x`, event_digest: DIGEST }
      await expect(row(tooLong)).rejects.toMatchObject(violates('secret_audit_sizes'))
    },
  )

  test.each(FIELDS.filter(({ kind }) => kind !== 'int8' && kind !== 'time').map(({ column }) => column))(
    'of %s: no row has room for a flood, with or without a digest',
    async (column) => {
      const text = column === 'attributes' ? JSON.stringify({ x: 'x'.repeat(20_000) }) : 'x'.repeat(20_000)
      for (const event_digest of [DIGEST, null]) {
        const flood = row({ [column]: text, event_digest })
        await expect(flood).rejects.toMatchObject(violates('secret_audit_sizes'))
      }
    },
  )

  test('of a digest', async () => {
    await expect(row({ event_digest: Buffer.alloc(33) })).rejects.toMatchObject(
      violates('secret_audit_sizes'),
    )
  })

  test('the original’s rows may be longer than ours, as they always could', async () => {
    await row({ credential: 'c'.repeat(10_000), notes: 'n'.repeat(10_000) })
  })

  test.each([
    ['log', `repeat('x', 1025)`],
    ['kind', `repeat('x', 17)`],
    ['prev_hash', `decode(repeat('00', 33), 'hex')`],
    ['root', `decode(repeat('00', 33), 'hex')`],
    ['body', `repeat('a', 540000000)`],
    ['body', `repeat('a', 8193)`],
    ['signatures', `repeat('a', 8193)`],
    ['row_count', '-1'],
  ])('a block’s %s of %s is refused', async (column, value) => {
    await expect(block({ [column]: value })).rejects.toMatchObject(violates('secret_audit_block_sizes'))
  })

  test('a block of a service with the longest names there are is taken', async () => {
    const sink = new PostgresAuditSink({ databaseUrl: login.url, origin: '€'.repeat(256) })
    sink.attach({
      serviceName: '\u0001'.repeat(256),
      serviceInstanceId: '\u0001'.repeat(256),
      lost: 0,
      onBlock() {},
      onLostBlocks() {},
    })
    expect(await sink.write(batchOf(anEvent()))).toMatchObject({ status: 'committed' })
    await sink.close()
  })
})

describe('partitions', () => {
  test.each([13, 24, 120])('%i months ahead are refused', async (ahead) => {
    await expect(
      writer.query('select * from noetl.secret_audit_ensure_partitions($1)', [ahead]),
    ).rejects.toMatchObject({ code: '22023' })
  })

  test('an id in the thirteenth month does not get one', async () => {
    const id = idAt(Date.now() + 410 * DAY_MS).toString()
    await expect(
      writer.query('select noetl.secret_audit_ensure_partition_for($1)', [id]),
    ).rejects.toMatchObject({ code: '22023' })
  })
})

// It is restored with every row, whatever the clock says of them: `npm run moves:check`.
describe('a dump', () => {
  test('has no constraint that a partition checks while its rows are loaded', async () => {
    const { rows } = await owner.query(
      `select conrelid::regclass::text as name from pg_constraint
       where contype = 'c' and conrelid <> 0 and connamespace = 'noetl'::regnamespace and convalidated`,
    )
    expect(rows).toEqual([])
  })
})
