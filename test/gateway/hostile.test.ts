import { connect as connectTo, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import {
  ACCESS,
  auditSpan,
  logsOf,
  nowNanos,
  protobufOf,
  text,
  tracesOf,
} from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { post, startGateway } from './running.js'

let database: TestDatabase
let owner: pg.Client
let said: string[]

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

beforeEach(() => {
  said = listening()
})

const rowsOf = async (traceId: string) =>
  (await readTrail(owner)).filter(({ event }) => event.traceId === traceId)

const keptOf = async (traceId: string) =>
  (
    await owner.query<{ reason: string; raw: Buffer }>(
      'select reason, raw from noetl.secret_audit_quarantine where trace_id = $1',
      [traceId],
    )
  ).rows

const json = { type: 'application/json' }

/** A connection whose bytes the test writes, and what comes back on it. */
function raw(url: string): { socket: Socket; heard: () => string } {
  const socket = connectTo(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let heard = ''
  socket.on('error', () => {})
  socket.setEncoding('utf8').on('data', (data: string) => {
    heard += data
  })
  return { socket, heard: () => heard }
}

const head = (length: number | string, more = ''): string =>
  `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n${
    typeof length === 'number' ? `content-length: ${length}` : length
  }\r\n${more}\r\n`

const statuses = (heard: string): string[] => heard.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? []

describe('HTTP as a sender may speak it', () => {
  it('an expectation, known or not, is no reason for another answer', async () => {
    const { url } = await startGateway(database.url)
    for (const expectation of ['100-continue', 'the-unexpected']) {
      const span = auditSpan()
      const answer = await post(url, tracesOf([span]), { headers: { expect: expectation } })
      expect([expectation, answer.status]).toEqual([expectation, 200])
      expect(await rowsOf(span.traceId)).toHaveLength(1)
    }
  })

  it('requests that do not wait for the answers of those before them are answered in their order', async () => {
    const { url } = await startGateway(database.url)
    const { socket, heard } = raw(url)
    const spans = Array.from({ length: 5 }, () => auditSpan({ events: 2 }))
    for (const span of spans) {
      const body = protobufOf(tracesOf([span]))
      socket.write(Buffer.concat([Buffer.from(head(body.length)), body]))
    }
    await waitUntil('five answers', () => statuses(heard()).length === 5)
    expect(statuses(heard())).toEqual(Array(5).fill('200'))
    for (const { traceId } of spans) expect(await rowsOf(traceId)).toHaveLength(2)
  })

  it('a body in chunks, with trailers, is the same body', async () => {
    const { url } = await startGateway(database.url)
    const { socket, heard } = raw(url)
    const span = auditSpan()
    const body = protobufOf(tracesOf([span]))
    socket.write(head('transfer-encoding: chunked', 'trailer: x-sum\r\n'))
    for (const part of [body.subarray(0, 7), body.subarray(7)])
      socket.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]))
    socket.write('0\r\nx-sum: 5\r\n\r\n')
    await waitUntil('the answer', () => statuses(heard()).length === 1)
    expect(statuses(heard())).toEqual(['200'])
    expect(await rowsOf(span.traceId)).toHaveLength(1)
  })

  it('a length that is more than what comes gets no answer, and one that is less leaves no half event in the trail', async () => {
    const { url } = await startGateway(database.url)
    const [long, short] = [auditSpan(), auditSpan()]
    const more = raw(url)
    const body = protobufOf(tracesOf([long]))
    more.socket.end(Buffer.concat([Buffer.from(head(body.length + 10)), body]))
    await waitUntil('the connection to end', () => more.socket.closed)
    expect(statuses(more.heard())).not.toContain('200')
    const less = raw(url)
    const cut = protobufOf(tracesOf([short]))
    less.socket.write(Buffer.concat([Buffer.from(head(cut.length - 10)), cut]))
    // What is left is not a request.
    await waitUntil('the connection to end', () => less.socket.closed)
    expect(statuses(less.heard())).toEqual(['400'])
    expect(await rowsOf(short.traceId)).toEqual([])
    expect((await post(url, tracesOf([long, short]))).status).toBe(200)
    for (const { traceId } of [long, short]) expect(await rowsOf(traceId)).toHaveLength(1)
  })

  it('a head that does not come to its end is answered by nothing, and not by a status that is final', async () => {
    const { url } = await startGateway(database.url, { limits: { headMs: 100 } })
    const { socket, heard } = raw(url)
    socket.write(head(5).slice(0, -4))
    await waitUntil('the end of the connection', () => socket.closed)
    expect(heard()).toBe('')
  })

  it('what is behind the end of compressed bytes changes nothing', async () => {
    const { url } = await startGateway(database.url)
    const spans = [auditSpan(), auditSpan()]
    const [first, second] = spans.map((span) => gzipSync(protobufOf(tracesOf([span]))))
    const headers = { 'content-encoding': 'gzip' }
    const trailing = Buffer.concat([first ?? [], Buffer.from('and more')] as Buffer[])
    expect((await post(url, trailing, { headers })).status).toBe(200)
    // Two members are one body.
    const both = Buffer.concat([first ?? [], second ?? []] as Buffer[])
    expect((await post(url, both, { headers })).status).toBe(200)
    for (const { traceId } of spans) expect(await rowsOf(traceId)).toHaveLength(1)
  })
})

describe('senders that send nothing', () => {
  it('are ended for one that does, when there is no place for both', async () => {
    const { url } = await startGateway(database.url, {
      limits: { requests: 4, crowdedMs: 0, bodyMs: 600_000 },
    })
    const stalled = Array.from({ length: 4 }, () => raw(url))
    for (const { socket } of stalled) socket.write(head(1000) + 'x')
    const span = auditSpan()
    await waitUntil('it is their turn', async () => (await post(url, tracesOf([span]))).status === 200)
    expect(await rowsOf(span.traceId)).toHaveLength(1)
    await waitUntil('one to be ended', () => stalled.some(({ socket }) => socket.closed))
    expect(stalled.every(({ heard }) => heard() === '')).toBe(true)
  })

  it('are waited for while there is, and nobody is ended who is being answered', async () => {
    const { url } = await startGateway(database.url, { limits: { requests: 2, crowdedMs: 60_000 } })
    const stalled = [raw(url), raw(url)]
    for (const { socket } of stalled) socket.write(head(1000) + 'x')
    await waitUntil('both are there', async () => (await post(url, tracesOf([]))).status === 503)
    expect(stalled.map(({ socket }) => socket.closed)).toEqual([false, false])
  })
})

describe('JSON as nobody but an attacker writes it', () => {
  const request = (span: object) => Buffer.from(JSON.stringify(tracesOf([span])))

  it('a number that says itself how it becomes one', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    const odd = { ...span, droppedEventsCount: { valueOf: 1, toString: 1 }, droppedAttributesCount: [[]] }
    expect((await post(url, request(odd), json)).status).toBe(200)
    expect(await rowsOf(span.traceId)).toHaveLength(1)
  })

  it('an event that cannot be a row, nested deeper than an engine can write: it is kept, and its neighbour stored', async () => {
    const { url } = await startGateway(database.url)
    const [span, neighbour] = [auditSpan({ attributes: ACCESS.slice(1) }), auditSpan()]
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const body = request(span)
      .toString()
      .replace('"droppedAttributesCount":0', `"droppedAttributesCount":0,"x":${deep}`)
    expect(body).toContain(deep)
    const both = body.replace(/\]\}\]\}$/, `]},${JSON.stringify(tracesOf([neighbour])).slice(18, -2)}]}`)
    expect((await post(url, Buffer.from(both), json)).status).toBe(200)
    expect(await keptOf(span.traceId)).toMatchObject([{ reason: 'incomplete' }])
    expect(await rowsOf(neighbour.traceId)).toHaveLength(1)
    expect(said.filter((line) => line.includes('request failed'))).toEqual([])
  })

  it('text that is not UTF-8 is kept aside, and not stored as another text', async () => {
    const { url } = await startGateway(database.url)
    const [span, sound] = [
      auditSpan({ attributes: [...ACCESS, text('secret_audit.notes', 'caf\u00e9')] }),
      auditSpan(),
    ]
    const latin = Buffer.from(JSON.stringify(tracesOf([span, sound])), 'latin1')
    expect((await post(url, latin, json)).status).toBe(200)
    expect(await rowsOf(span.traceId)).toEqual([])
    expect(await keptOf(span.traceId)).toMatchObject([{ reason: 'invalid' }])
    expect(await rowsOf(sound.traceId)).toHaveLength(1)
  })

  it('keys of the language, and keys that come twice', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan({
      attributes: [
        ...ACCESS,
        text('__proto__', 'x'),
        text('constructor', 'x'),
        text('secret_audit.notes', 'first'),
        text('secret_audit.notes', 'last'),
        text('secret_audit.attributes', '{"__proto__":"p","a":1}'),
      ],
    })
    const body = request(span)
      .toString()
      .replace('{"resourceSpans"', '{"__proto__":{"resourceSpans":1},"resourceSpans"')
      .replace('"name":"secret.access"', '"name":"other","__proto__":{"name":"x"},"name":"secret.access"')
    expect((await post(url, Buffer.from(body), json)).status).toBe(200)
    const [row, ...more] = await rowsOf(span.traceId)
    expect(more).toEqual([])
    expect(row?.event.notes).toBe('last')
    expect(Object.keys(JSON.parse(row?.event.attributesJson ?? '{}') as object).sort()).toEqual([
      '__proto__',
      'a',
      'gateway.received_at',
      'gateway.sender',
    ])
  })

  it('times that 64 bits do not hold are none, and no other time', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    // 2^64 more than now.
    const beyond = `${nowNanos() + 2n ** 64n}`
    const [event] = span.events
    const odd = { ...span, events: [{ ...event, timeUnixNano: beyond }] }
    expect((await post(url, request(odd), json)).status).toBe(200)
    expect(await rowsOf(span.traceId)).toEqual([])
    expect(await keptOf(span.traceId)).toMatchObject([{ reason: 'clock' }])
  })
})

describe('values of every kind', () => {
  const LIST = { arrayValue: { values: [{ stringValue: 'a' }] } }
  const MAP = { kvlistValue: { values: [text('a', 'b')] } }
  const BYTES = { bytesValue: 'AAEC' }

  it.each([
    ['a list', LIST],
    ['a map', MAP],
    ['bytes', BYTES],
  ])('%s in a field of ours is kept aside; in another attribute it is of no account', async (_, value) => {
    const { url } = await startGateway(database.url)
    for (const type of ['application/json', 'application/x-protobuf']) {
      const [ours, theirs] = ['secret_audit.notes', 'app.detail'].map((key) =>
        auditSpan({ attributes: [...ACCESS, { key, value }] }),
      )
      expect((await post(url, tracesOf([ours ?? {}, theirs ?? {}]), { type })).status).toBe(200)
      expect(await keptOf(ours?.traceId ?? '')).toMatchObject([{ reason: 'invalid' }])
      expect(await rowsOf(ours?.traceId ?? '')).toEqual([])
      expect(await rowsOf(theirs?.traceId ?? '')).toHaveLength(1)
    }
  })

  it('64-bit numbers keep every digit, as text and as numbers; those that JSON may have rounded are kept aside', async () => {
    const { url } = await startGateway(database.url)
    const execution = (value: object) =>
      auditSpan({ attributes: [...ACCESS, { key: 'secret_audit.execution_id', value }] })
    const exact = execution({ intValue: '9223372036854775807' })
    const small = execution({ intValue: 9007199254740991 })
    const rounded = execution({ intValue: 2 ** 60 })
    expect((await post(url, tracesOf([exact, small, rounded]), json)).status).toBe(200)
    expect((await rowsOf(exact.traceId))[0]?.event.executionId).toBe(9223372036854775807n)
    expect((await rowsOf(small.traceId))[0]?.event.executionId).toBe(9007199254740991n)
    expect(await keptOf(rounded.traceId)).toMatchObject([{ reason: 'invalid' }])
  })

  it('attributes in another order are the same event', async () => {
    const { url } = await startGateway(database.url)
    const attributes = [...ACCESS, text('secret_audit.notes', 'n'), { key: 'n', value: { intValue: '1' } }]
    const span = auditSpan({ attributes })
    const turned = {
      ...span,
      events: span.events.map((event) => ({ ...event, attributes: attributes.toReversed() })),
    }
    for (const one of [span, turned]) expect((await post(url, tracesOf([one]))).status).toBe(200)
    expect(await rowsOf(span.traceId)).toHaveLength(1)
  })

  it('a log record is what its attributes say, whatever body it has', async () => {
    const { url } = await startGateway(database.url)
    const record = { eventName: 'secret.access', timeUnixNano: `${nowNanos()}`, attributes: ACCESS }
    const bodies = [undefined, { stringValue: 'x' }, MAP, LIST, BYTES, { intValue: '1' }]
    const ids = bodies.map((_, i) => `${i + 1}`.padStart(32, 'a'))
    const records = bodies.map((body, i) => ({ ...record, traceId: ids[i], ...(body && { body }) }))
    expect((await post(url, logsOf(records))).status).toBe(200)
    expect((await post(url, logsOf(records), json)).status).toBe(200)
    for (const id of ids) expect(await rowsOf(id)).toHaveLength(1)
  })
})
