import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { anEvent, batchOf } from '../support/events.js'
import { readTrail } from '../support/trail.js'
import { allowLines } from '../support/allow-lines.js'
import { messageOf, type Rewrite, WireProxy } from '../support/wire-proxy.js'

// What counts as the answer to a commit. The proxy changes the answers to an append; the database is an honest one.

let database: TestDatabase
let proxy: WireProxy
let sink: PostgresAuditSink

beforeAll(async () => {
  database = await migratedDatabase()
  proxy = await WireProxy.start(database.url)
})

afterAll(async () => {
  await proxy.close()
  await database.drop()
})

beforeEach(async () => {
  sink = new PostgresAuditSink({ databaseUrl: proxy.url(database.url), answerTimeoutMs: 1500 })
  expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
})

afterEach(async () => {
  proxy.calm()
  await sink.close()
})

const ready = (status: string): Buffer => messageOf('Z', status)
const tag = (text: string): Buffer => messageOf('C', `${text}\0`)
const row = (...values: readonly string[]): Buffer => {
  const numbers = (bytes: number, value: number): Buffer => Buffer.from([...Array(bytes - 1).fill(0), value])
  const columns = values.flatMap((value) => [numbers(4, value.length), Buffer.from(value)])
  return messageOf('D', Buffer.concat([numbers(2, values.length), ...columns]))
}
const of =
  (wanted: string, change: (bytes: Buffer) => readonly Buffer[]): Rewrite =>
  ({ type, bytes }) =>
    type === wanted ? change(bytes) : [bytes]

/** Only the first message of its kind. */
const firstOf = (wanted: string, change: (bytes: Buffer) => readonly Buffer[]): Rewrite => {
  let seen = 0
  return ({ type, bytes }) => (type === wanted && seen++ === 0 ? change(bytes) : [bytes])
}
/** Only what comes behind the first message of its kind: of the proof, and not of the INSERT. */
const ofProof = (wanted: string, change: (bytes: Buffer) => readonly Buffer[]): Rewrite => {
  let seen = 0
  return ({ type, bytes }) => (type === wanted && seen++ > 0 ? change(bytes) : [bytes])
}
/** The row of the proof twice, as its tag says. */
const twice = (): Rewrite => {
  const [rows, tags] = [ofProof('D', (bytes) => [bytes, bytes]), ofProof('C', () => [tag('SELECT 2')])]
  return (message) => (message.type === 'C' ? tags(message) : rows(message))
}
/** Of several statements, only the first one is answered. */
const onlyFirst = (): Rewrite => {
  let isOver = false
  return ({ type, bytes }) => {
    if (isOver && type !== 'Z') return []
    if (type === 'C') isOver = true
    return [bytes]
  }
}

describe('unknown, and never committed', () => {
  test.each<[string, Rewrite]>([
    ['no row', of('D', () => [])],
    [
      'no row, and the tag of none',
      ({ type, bytes }) => (type === 'D' ? [] : type === 'C' ? [tag('SELECT 0')] : [bytes]),
    ],
    ['a transaction that is still open', of('Z', () => [ready('T')])],
    ['a transaction that has failed', of('Z', () => [ready('E')])],
    ['a transaction in a state that there is not', of('Z', () => [ready('X')])],
    ['two rows', of('D', (bytes) => [bytes, bytes])],
    [
      'two rows, and the tag of two',
      ({ type, bytes }) => (type === 'D' ? [bytes, bytes] : type === 'C' ? [tag('SELECT 2')] : [bytes]),
    ],
    ['no row for the proof', ofProof('D', () => [])],
    ['two rows for the proof, and the tag of two', twice()],
    ['a time that is empty', ofProof('D', () => [row('')])],
    ['a time that is NULL', ofProof('D', () => [messageOf('D', Buffer.from([0, 1, 255, 255, 255, 255]))])],
    ['a time that is not a number', ofProof('D', () => [row('NaN')])],
    ['a time without an end', ofProof('D', () => [row('infinity')])],
    ['a time before all times', ofProof('D', () => [row('-1')])],
    ['a time and a half', ofProof('D', () => [row('1795946054030364.5')])],
    ['a time beyond all times', ofProof('D', () => [row('99999999999999999999')])],
    ['a time that no number has exactly', ofProof('D', () => [row('9007199254740993')])],
    ['a time, and something else', ofProof('D', () => [row('1795946054030364', '1')])],
    ['the tag of another command', of('C', () => [tag('INSERT 0 1')])],
    ['the tag of a rollback', of('C', () => [tag('ROLLBACK')])],
    ['another tag for the INSERT, and the right one for its proof', firstOf('C', () => [tag('INSERT 0 1')])],
    ['another number of rows for the INSERT', firstOf('D', () => [row('2', '1')])],
    ['no row for the INSERT, and its block', firstOf('D', () => [row('0', '1')])],
    ['a row for the INSERT, and two blocks', firstOf('D', () => [row('1', '2')])],
    ['what is not a number for the INSERT', firstOf('D', () => [row('1.0', '1')])],
    ['no tag for the INSERT', firstOf('C', () => [])],
    ['an answer to the INSERT, and none to its proof', onlyFirst()],
    ['two tags', of('C', (bytes) => [bytes, bytes])],
    ['no tag', of('C', () => [])],
    ['nothing bound', of('2', () => [])],
    ['bound twice', of('2', (bytes) => [bytes, bytes])],
    ['a description that nobody asked for', of('D', (bytes) => [messageOf('T', '\0\0'), bytes])],
    ['the word that there is no data', of('D', (bytes) => [messageOf('n', ''), bytes])],
    ['a row behind its end', of('C', (bytes) => [bytes, row('1')])],
    ['an empty query', of('C', () => [messageOf('I', '')])],
    ['a row cut off inside', of('D', () => [messageOf('D', Buffer.from([0, 1, 0, 0]))])],
    ['a message of no kind', of('C', (bytes) => [messageOf('~', 'x'), bytes])],
    ['an error without a code', of('C', (bytes) => [messageOf('E', 'SERROR\0Mno\0\0'), bytes])],
    [
      'an error, and then a success',
      of('C', (bytes) => [messageOf('E', 'SERROR\0VERROR\0C22000\0Mno\0\0'), bytes]),
    ],
    ['an answer before the request', of('2', (bytes) => [row('1'), bytes])],
  ])('%s', async (_, rewrite) => {
    proxy.answer = rewrite
    const result = await sink.write(batchOf(anEvent()))
    expect(result).toMatchObject({ status: 'unknown', fault: { code: 'AUDIT_TIMEOUT' } })
  })
})

describe('unknown, when it is an answer to what asks whether the rows are there already', () => {
  test.each<[string, Rewrite]>([
    ['a row that is not described', of('T', () => [])],
    [
      'a row described as bytes',
      of('T', (bytes) => [Buffer.concat([bytes.subarray(0, -1), Buffer.from([1])])]),
    ],
    ['no data', of('T', () => [messageOf('n', '')])],
    ['a row less than its tag says', firstOf('D', () => [])],
  ])('%s', async (_, rewrite) => {
    const batch = batchOf(anEvent())
    expect((await sink.write(batch)).status).toBe('committed')
    expect((await sink.write(batch)).status).toBe('conflict')
    proxy.answer = rewrite
    expect((await sink.write(batch)).status).toBe('unknown')
  })
})

test('what was stored all the same is found when it is sent again', async () => {
  const batch = batchOf(anEvent(), anEvent())
  proxy.answer = of('D', () => [])
  expect((await sink.write(batch)).status).toBe('unknown')
  proxy.calm()
  expect(await sink.write(batch)).toMatchObject({ status: 'committed', committedAt: expect.any(Number) })
})

/** A transaction that somebody left open: nothing in it is committed. */
test.each(['P', 'B'])(
  'a transaction begun before message %s of the append: nothing is committed in it',
  async (at) => {
    let swallowing = false
    let armed = true
    proxy.request = ({ type, bytes }) => {
      if (!armed || type !== at || !isOfAppend(bytes)) return [bytes]
      armed = false
      swallowing = true
      return [messageOf('Q', 'begin\0'), bytes]
    }
    proxy.answer = ({ type, bytes }) => {
      if (!swallowing) return [bytes]
      if (type === 'Z') swallowing = false
      return type === 'C' || type === 'Z' ? [] : [bytes]
    }
    // It is parsed once a connection.
    const fresh = at === 'P' ? new PostgresAuditSink({ databaseUrl: proxy.url(database.url) }) : sink
    const batch = batchOf(anEvent(), anEvent())
    expect((await fresh.write(batch)).status).toBe('unknown')
    const stored = (await readTrail(database.url)).map(({ event }) => event.auditId)
    expect(stored).not.toContain(batch.entries[0]?.event.auditId)
    proxy.calm()
    expect((await fresh.write(batch)).status).toBe('committed')
    if (fresh !== sink) await fresh.close()
  },
)

const isOfAppend = (bytes: Buffer): boolean => bytes.includes('otel-audit append-rows')

test('a parser that fails ends the connection, and not the process', async () => {
  proxy.answer = of('D', () => [messageOf('D', Buffer.from([0, 9, 0, 0, 0, 9]))])
  expect((await sink.write(batchOf(anEvent()))).status).toBe('unknown')
  proxy.answer = ({ type, bytes }) => (type === 'R' ? [messageOf('R', Buffer.from([0, 0, 0, 77]))] : [bytes])
  expect((await sink.write(batchOf(anEvent()))).status).toBe('failed')
  proxy.calm()
  expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
})

describe('the process is the application’s', () => {
  test('a `query` of its own on the prototype of all clients neither sees nor answers ours', async () => {
    const original = Client.prototype.query
    const seen: unknown[] = []
    Client.prototype.query = function lying(...given: unknown[]) {
      seen.push(given)
      return Promise.resolve({ rows: [['1700000000000000']], rowCount: 1 })
    } as typeof original
    const event = anEvent()
    try {
      const own = new PostgresAuditSink({ databaseUrl: database.url })
      expect((await own.write(batchOf(event))).status).toBe('committed')
      await own.close()
    } finally {
      Client.prototype.query = original
    }
    expect(seen).toEqual([])
    expect((await readTrail(database.url)).map(({ event: { auditId } }) => auditId)).toContain(event.auditId)
  })
})

describe('a warning of the server', () => {
  const warned = async (raise: string, work: () => Promise<void>): Promise<void> => {
    const owner = await connect(database.url)
    await owner.query(`
      create function noetl.warn() returns trigger language plpgsql as $$ begin ${raise} return null; end $$;
      create trigger warn after insert on noetl.secret_audit for each row execute function noetl.warn()`)
    try {
      const allowInStore = (await allowLines(sink)).join(';')
      await sink.close()
      sink = new PostgresAuditSink({
        databaseUrl: proxy.url(database.url),
        answerTimeoutMs: 1500,
        allowInStore,
      })
      await work()
    } finally {
      await owner.query('drop function noetl.warn() cascade')
      await owner.end()
    }
  }

  test.each([
    ['of an owner’s trigger', `raise warning 'queue is long';`],
    [
      'with the text of an unconfirmed commit',
      `raise warning 'The transaction has already committed locally, but might not have been replicated to the standby.';`,
    ],
    ['again and again', `for i in 1..500 loop raise warning 'flood %', i; end loop;`],
  ])('%s changes nothing', async (_, raise) => {
    await warned(raise, async () => {
      expect((await sink.write(batchOf(anEvent()))).status).toBe('committed')
      expect((await sink.write(batchOf(anEvent(), anEvent()))).status).toBe('committed')
    })
  })

  test('of the wait for a standby puts the commit in doubt, among any number of others', async () => {
    const flood = Array.from({ length: 300 }, () => messageOf('N', 'SWARNING\0C01000\0Mflood\0Rx\0\0'))
    const unconfirmed = messageOf('N', 'SWARNING\0C01000\0Mmay not be replicated\0RSyncRepWaitForLSN\0\0')
    proxy.answer = of('Z', (bytes) => [...flood, unconfirmed, bytes])
    const result = await sink.write(batchOf(anEvent()))
    expect(result).toMatchObject({ status: 'unknown', fault: { code: 'AUDIT_UNCONFIRMED' } })
  })
})
