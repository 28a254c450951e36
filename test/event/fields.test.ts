import { BOUNDED_EVENT } from '../../src/postgres/read/event-select.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from 'vitest'
import { type Block, NO_PREVIOUS, rowLeaf, WITHOUT_ROWS } from '../../src/chain/block.js'
import { newChain } from '../../src/chain/chain-key.js'
import { merkleRoot } from '../../src/chain/merkle.js'
import { signBlock } from '../../src/chain/signed-block.js'
import { Ticket } from '../../src/contract/ticket.js'
import { decodeEvent as decodeSpooled } from '../../src/event/decode.js'
import { encodeEvent, eventDigest } from '../../src/event/digest.js'
import { type AuditFields, buildEvent, rekeyEvent } from '../../src/event/event.js'
import {
  type AuditEvent,
  type CallerField,
  type Field,
  type FieldColumn,
  type FieldName,
  FIELDS,
} from '../../src/event/fields.js'
import { SnowflakeGenerator } from '../../src/event/snowflake.js'
import { Entry } from '../../src/exporter/entry.js'
import { fromSpanEvent, spanEventTime, toSpanEvent } from '../../src/otel/span-event.js'
import { openSession } from '../../src/postgres/session.js'
import { inspectTable, objections } from '../../src/postgres/adopt/adopt-table.js'
import { Snapshot } from '../../src/postgres/read/snapshot.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { conditions, Values } from '../../src/query/conditions.js'
import { parseFilter } from '../../src/query/filter.js'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'
import { COLUMNS, type TrailRow } from '../../src/query/row.js'
import { checkRowProof, makeRowProof } from '../../src/verify/row-proof.js'
import { NO_TRUST } from '../../src/verify/trust.js'
import { trailAt } from '../query/trail-at.js'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { batchOf } from '../support/events.js'
import { decodeEvent } from './reference-encoding.js'

// The fields of an event are written out where that is fast, and in SQL. Each of those places is held against the one
// table here: an event with something else in every field goes through it, and comes out as it was.

const ids = new SnowflakeGenerator(1)
const NAMES = FIELDS.map(({ name }) => name)

/** An event of which no two fields are alike. */
function fullEvent(seed: number): AuditEvent {
  const now = Date.now()
  const value = ({ tag, name, kind }: Field): bigint | number | string => {
    if (name === 'auditId') return ids.next(now)
    if (kind === 'int8') return BigInt(seed * 100 + tag)
    if (kind === 'time') return now * 1000 + seed
    if (kind === 'actorType') return 'service'
    if (kind === 'json') return `{"seed":${seed}}`
    if (kind === 'hex') return String(seed * 100 + tag).padStart(name === 'traceId' ? 32 : 16, '0')
    return kind === 'name' ? `${name.toLowerCase()}_${seed}` : `the ${name} of ${seed}`
  }
  return Object.fromEntries(FIELDS.map((field) => [field.name, value(field)])) as unknown as AuditEvent
}

/** Nothing in it but what must be. */
const bare = (event: AuditEvent): AuditEvent =>
  Object.fromEntries(
    FIELDS.map(({ name, required }) => [name, required ? event[name] : null]),
  ) as unknown as AuditEvent

/** What a caller says of it. */
const saidOf = (event: AuditEvent): AuditFields => {
  const said = FIELDS.filter(({ by }) => by === 'caller').map(({ name }) =>
    name === 'attributesJson' ? ['attributes', JSON.parse(event[name] ?? 'null')] : [name, event[name]],
  )
  return Object.fromEntries(said) as AuditFields
}

const FULL = fullEvent(1)
const BARE = bare(fullEvent(2))
const withoutOriginal = (event: AuditEvent): AuditEvent => ({ ...event, originalAuditId: null })

describe('the table', () => {
  test('has every field once, in the order of the tags', () => {
    expect(FIELDS.map(({ tag }) => tag)).toEqual(FIELDS.map((_, index) => index + 1))
    expect(new Set(NAMES).size).toBe(FIELDS.length)
    expectTypeOf<FieldName>().toEqualTypeOf<keyof AuditEvent>()
    expectTypeOf<CallerField>().toEqualTypeOf<keyof AuditFields>()
  })

  test('calls a column as the field, in snake case', () => {
    const snake = (name: string): string =>
      name.replace(/Json$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    expect(FIELDS.map(({ column }) => column)).toEqual(NAMES.map(snake))
  })
})

describe('in memory every field comes through', () => {
  test('building an event, and giving it another id', () => {
    const built = buildEvent(saidOf(FULL), identityOf(FULL))
    expect(built).toEqual(withoutOriginal(FULL))
    expect(Object.keys(built).toSorted()).toEqual(NAMES.toSorted())
    const rekeyed = rekeyEvent(built)
    expect(rekeyed).toEqual({ ...built, auditId: rekeyed.auditId, originalAuditId: FULL.auditId })
  })

  test('cutting free text to its limit', () => {
    const long = FIELDS.map(({ name, limit }) => [name, limit === undefined ? FULL[name] : 'x'.repeat(2000)])
    const given = Object.fromEntries(long) as unknown as AuditEvent
    const built = buildEvent(saidOf(given), identityOf(given))
    for (const { name, limit } of FIELDS) {
      if (limit !== undefined) expect([name, built[name]]).toEqual([name, 'x'.repeat(limit)])
    }
  })

  test.each([
    ['full', FULL],
    ['bare', BARE],
  ])('the digest of a %s event', (_, event) => {
    expect(decodeEvent(encodeEvent(event))).toEqual(event)
  })

  test.each([
    ['full', FULL],
    ['bare', BARE],
  ])('the spool with a %s event', (_, event) => {
    const read = decodeSpooled(encodeEvent(event))
    expect(read).toEqual(event)
    expect(Object.keys(read).toSorted()).toEqual(NAMES.toSorted())
  })

  test('a span event, with what a caller says', () => {
    const attributes = toSpanEvent(FULL, { serviceName: null, serviceInstanceId: null })
    const back = fromSpanEvent(attributes)
    const { serviceName, serviceInstanceId } = back ?? {}
    expect([back?.auditId, serviceName, serviceInstanceId]).toEqual([
      FULL.auditId,
      FULL.serviceName,
      FULL.serviceInstanceId,
    ])
    const [seconds = 0, nanos = 0] = spanEventTime(FULL) ?? []
    expect({ ...back?.fields, occurredAt: seconds * 1_000_000 + nanos / 1000 }).toEqual(saidOf(FULL))
    for (const { name, column, by } of FIELDS) {
      if (by === 'caller' && name !== 'occurredAt')
        expect([name, attributes[`secret_audit.${column}`]]).not.toContain(undefined)
    }
  })

  test.each([
    ['full', FULL],
    ['bare', BARE],
  ])('the proof of a %s row', (_, event) => {
    expect(checkRowProof(proofOf(event), NO_TRUST).event).toEqual(event)
  })

  test('the size of an entry', () => {
    for (const { name, kind } of FIELDS) {
      if (kind !== 'text' && kind !== 'json') continue
      const longer = { ...FULL, [name]: `${String(FULL[name])}é` }
      expect([name, sizeOf(longer) - sizeOf(FULL)]).toEqual([name, 2])
    }
  })
})

describe('a reader of the trail', () => {
  test('is given every column, in the order of the tags', () => {
    expect(COLUMNS.slice(0, FIELDS.length)).toEqual(FIELDS.map(({ column }) => column))
    expectTypeOf<Extract<keyof TrailRow, FieldColumn>>().toEqualTypeOf<FieldColumn>()
  })

  test('may ask for a column by what is in it', () => {
    const byColumn = new Map(FIELDS.map((field) => [field.column, field]))
    const expected = { text: 'text', name: 'name', actorType: 'name', int8: 'int64', hex: 'trace' } as const
    const asked = Object.entries(FILTER_FIELDS).filter(([name]) => byColumn.has(name))
    expect(asked.length).toBeGreaterThan(10)
    for (const [name, filter] of asked) {
      const { kind, limit } = byColumn.get(name) as Field
      expect([name, filter.kind]).toEqual([name, expected[kind as keyof typeof expected]])
      // The longest credential, and the asterisk behind it.
      const longest = name === 'credential' ? (limit ?? 0) + 1 : limit
      expect([name, 'limit' in filter ? filter.limit : undefined]).toEqual([name, longest])
    }
  })

  test.each(FIELDS.map(({ column, kind }) => [column, kind === 'int8' ? 'bigint' : 'text']))(
    'compares %s as %s',
    (column, type) => {
      const terms = { [column]: { oneOf: [{ kind: 'is', text: '1' } as const], noneOf: [] } }
      const { main } = conditions({ ...parseFilter({}), terms }, {}, new Values())
      expect(main).toContain(`${column} = $1::${type}`)
    },
  )
})

describe('in Postgres every field comes through', () => {
  let database: TestDatabase
  const alone = fullEvent(3)
  const together = [fullEvent(4), bare(fullEvent(5))]
  const all = [alone, ...together]

  beforeAll(async () => {
    database = await migratedDatabase()
    const sink = new PostgresAuditSink({ databaseUrl: database.url })
    // One row, and several: a statement each.
    expect(await sink.write(batchOf(alone))).toMatchObject({ status: 'committed' })
    expect(await sink.write(batchOf(...together))).toMatchObject({ status: 'committed' })
    await sink.close()
  })

  afterAll(() => database.drop())

  test('writing it, and reading one row as an event', async () => {
    const snapshot = await Snapshot.open({ databaseUrl: database.url, schema: 'noetl' })
    try {
      for (const event of all) expect((await snapshot.event(event.auditId))?.event).toEqual(event)
    } finally {
      await snapshot.close()
    }
  })

  test('computing the digest of its columns', async () => {
    const snapshot = await Snapshot.open({ databaseUrl: database.url, schema: 'noetl' })
    const computed: Uint8Array[] = []
    try {
      const range = { first: 0n, last: 2n ** 63n - 1n }
      for await (const rows of snapshot.rows(range, { chain: undefined, ids: undefined }))
        computed.push(...rows.map((row) => row.computed))
    } finally {
      await snapshot.close()
    }
    expect(computed).toEqual(all.map(eventDigest))
  })

  test('searching', async () => {
    const { rows } = await trailAt(database).search({ from: '-1h' })
    const shown = rows
      .toReversed()
      .map((row) => FIELDS.map(({ column, kind }) => textOf(row[column as FieldColumn], kind)))
    expect(shown).toEqual(all.map((event) => FIELDS.map(({ name }) => event[name]?.toString() ?? null)))
  })

  test('adopting a table that has its columns, and no other', async () => {
    const session = await openSession('migrate', {
      databaseUrl: database.url,
      applicationName: 'test',
      readOnly: true,
    })
    const table = await session.run((client) => inspectTable(client, 'noetl'))
    await session.close()
    if (table === undefined) throw new Error('there is no trail')
    const columnObjections = (columns: typeof table.columns): string[] =>
      objections({ ...table, kind: 'r', columns }).filter((text) => text.startsWith('column '))
    expect(columnObjections(table.columns)).toEqual([])
    for (const { column } of FIELDS) {
      const others = table.columns.filter(({ name }) => name !== column)
      expect(columnObjections(others)).toEqual([`column ${column} is missing`])
    }
  })
})

describe('in SQL', () => {
  const sql = (file: string): string =>
    readFileSync(join(import.meta.dirname, '../../src/postgres', file), 'utf8')
  const names = (list = ''): string[] => list.split(',').map((name) => name.trim())
  const columns = FIELDS.map(({ column }) => column)
  const sealed = ['event_digest', 'chain_id', 'block_no', 'block_index']

  test('the writer may insert every column', () => {
    const [, granted] =
      /grant insert \(([^)]+)\) on :SCHEMA\.secret_audit to/.exec(sql('migrate/roles.sql')) ?? []
    expect(names(granted)).toEqual([...columns, ...sealed])
  })

  test('an adopted table gets those that the original did not have', () => {
    const added = [...sql('adopt/adopt-columns.sql').matchAll(/add column (?:if not exists )?(\w+)/g)].map(
      ([, name]) => name,
    )
    expect(added).toEqual(expect.arrayContaining([...columns.slice(12), ...sealed]))
    expect(added).toHaveLength(columns.length - 12 + sealed.length + 2)
  })

  test('a writer sends every column, in the order of the tags', () => {
    const text = sql('write/append-rows.sql')
    const [, inserted] = /insert into :SCHEMA\.secret_audit \(([^)]+)\)/.exec(text) ?? []
    const [, selected] = /\n *select([^)]+?)\n *from unnest/.exec(text) ?? []
    expect([names(inserted), names(selected)]).toEqual([
      [...columns, ...sealed],
      [...columns, ...sealed],
    ])
  })

  test('the type that rows are sent as, and what is read back of them, have every column in this order', () => {
    const text = sql('migrate/migrations/0009_binary_rows.sql')
    const [, type] = /create type :SCHEMA\.secret_audit_row_v1 as \(([^)]+)\)/.exec(text) ?? []
    expect(names(type).map((attribute) => attribute.split(/\s/)[0])).toEqual([...columns, ...sealed])
    const [, read] = /record_send\(row\(([^)]+)\)/.exec(text) ?? []
    expect(names(read)).toEqual([...columns, ...sealed].map((column) => `r.${column}`))
  })

  test.each(['read/trail-event.sql', 'read/trail-rows.sql'])(
    '%s reads them in the order of the tags',
    (file) => {
      const text = sql(file)
        .replace(':EVENT', () => BOUNDED_EVENT)
        .replace(/^.*?\bselect\b/s, '')
      const places = columns.map((column) => new RegExp(`\\b${column}\\b`).exec(text)?.index ?? -1)
      expect(places).not.toContain(-1)
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    },
  )
})

function identityOf({ auditId, occurredAt, serviceName, serviceInstanceId, traceId, spanId }: AuditEvent) {
  const text = (value: string | null): string | undefined => value ?? undefined
  return {
    auditId,
    occurredAt,
    serviceName: text(serviceName),
    serviceInstanceId: text(serviceInstanceId),
    traceId: text(traceId),
    spanId: text(spanId),
  }
}

function sizeOf(event: AuditEvent): number {
  const ticket = new Ticket('async', 0, 0)
  ticket.seal(event)
  return new Entry(ticket).bytes
}

/** Of the only row of its chain. */
function proofOf(event: AuditEvent): string {
  const log = 'otel-audit/fields'
  const { id: chain, signer } = newChain(log)
  const trail = '0'.repeat(32)
  const opening = {
    service: '',
    instance: '',
    version: '0.1.0',
    trail,
    system: undefined,
    continues: undefined,
  }
  const common = { log, chain, prev: NO_PREVIOUS, ...WITHOUT_ROWS, rowsTotal: 0, lost: 0, time: 0 }
  const blockAt = (number: number, parts: Partial<Block> & Pick<Block, 'kind'>) =>
    signBlock({ ...common, number, writer: undefined, opening: undefined, ...parts }, [signer]).columns
  const digest = eventDigest(event)
  const idsOf = { first: event.auditId, last: event.auditId }
  const root = merkleRoot([rowLeaf(chain, 1, 0, digest)])
  const data = blockAt(1, { kind: 'data', ids: idsOf, rows: 1, rowsTotal: 1, root })
  const genesis = blockAt(0, { kind: 'genesis', writer: signer.verifierKey, opening })
  return JSON.stringify(makeRowProof(event, 0, [digest], data, [genesis]))
}

/** As the event has it. */
function textOf(value: string | null, kind: Field['kind']): string | null {
  if (value === null || kind !== 'time') return value
  return String(Date.parse(value.slice(0, 23).concat('Z')) * 1000 + Number(value.slice(23, 26)))
}
