import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { createAudit } from '../../src/audit/audit.js'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { eventDigest } from '../../src/event/digest.js'
import { type AuditFields, buildEvent, type EventIdentity } from '../../src/event/event.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { incomingOf, isIncoming } from '../../src/gateway/incoming.js'
import { readResource } from '../../src/gateway/otlp/protobuf.js'
import { ProtobufSlicer } from '../../src/gateway/otlp/slices.js'
import { toSpanEvent } from '../../src/otel/span-event.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Ticket } from '../../src/contract/ticket.js'
import { environment, startSdk } from '../otel/own-sdk.js'
import { forgetTelemetry, listening } from '../service/telemetry.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { ACCESS, auditSpan, protobufOf, text, tracesOf } from '../support/gateway/requests.js'
import { readTrail } from '../support/trail.js'
import { post, startGateway } from './running.js'

let database: TestDatabase
let owner: pg.Client

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

beforeEach(() => {
  listening()
})

const FIELDS: AuditFields = {
  credential: 'orders-db',
  operation: 'get_credential',
  outcome: 'ok',
  workerId: 'w',
  executionId: 2n ** 62n,
  parentExecutionId: -7n,
  serverRegion: 'eu',
  brokerRegion: 'us',
  kekVersion: 'k',
  notes: 'n\u0000ötes 🔑',
  actorId: 'a',
  actorType: 'user',
  sourceAddress: '10.0.0.7',
  attributes: { b: 'x "quoted" \\ ü', a: 1, c: true },
}

let ids = 0n

function identity(): EventIdentity {
  const now = Date.now()
  return {
    auditId: ((BigInt(now) - 1_704_067_200_000n) << 22n) + ids++,
    occurredAt: now * 1000 + 5,
    serviceName: 'wallet',
    serviceInstanceId: 'wallet-1',
    traceId: 'ab'.repeat(16),
    spanId: 'cd'.repeat(8),
  }
}

/** Stores an event as its service does. */
async function stored(...events: readonly ReturnType<typeof buildEvent>[]): Promise<void> {
  const exporter = new DurableAuditExporter({
    sink: new PostgresAuditSink({ databaseUrl: database.url }),
    lingerMs: 0,
  })
  for (const event of events) {
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(event)
    exporter.submit(ticket)
  }
  await exporter.close(60_000)
}

const rowsOf = async ({ auditId }: EventIdentity) =>
  (await readTrail(owner)).filter(({ event }) => (event.originalAuditId ?? event.auditId) === auditId)

describe('the event of a row, sent to a gateway', () => {
  type Change = { fields?: Partial<AuditFields>; identity?: Partial<EventIdentity> }
  const different: [string, Change][] = [
    ['credential', { fields: { credential: 'other' } }],
    ['outcome', { fields: { outcome: 'no_pubkey' } }],
    ['worker', { fields: { workerId: undefined } }],
    ['execution', { fields: { executionId: 1n } }],
    ['region', { fields: { serverRegion: 'us' } }],
    ['notes', { fields: { notes: 'n' } }],
    ['actor', { fields: { actorId: 'b' } }],
    ['attributes', { fields: { attributes: { a: 1 } } }],
    ['no attributes', { fields: { attributes: undefined } }],
    ['time', { identity: { occurredAt: Date.now() * 1000 } }],
    ['trace', { identity: { traceId: 'ef'.repeat(16) } }],
    ['span', { identity: { spanId: 'ef'.repeat(8) } }],
    ['service', { identity: { serviceName: 'orders' } }],
  ]
  const same: [string, Change][] = [
    ['nothing', {}],
    ['instance', { identity: { serviceInstanceId: 'wallet-2' } }],
    ['no instance', { identity: { serviceInstanceId: undefined } }],
    ['no service', { identity: { serviceName: undefined } }],
  ]

  async function both({ fields = {}, identity: changed = {} }: Change): Promise<number> {
    const { url } = await startGateway(database.url)
    const own = identity()
    await stored(buildEvent(FIELDS, own))
    const sent = buildEvent({ ...FIELDS, ...fields }, { ...own, ...changed })
    const attributes = Object.entries(toSpanEvent(sent, sent)).map(([key, value]) => text(key, String(value)))
    const span = auditSpan({
      traceId: sent.traceId ?? '',
      spanId: sent.spanId ?? '',
      timeNanos: BigInt(sent.occurredAt) * 1000n,
      attributes,
    })
    const resource = [
      ...(sent.serviceName === null ? [] : [text('service.name', sent.serviceName)]),
      ...(sent.serviceInstanceId === null ? [] : [text('service.instance.id', sent.serviceInstanceId)]),
    ]
    for (let i = 0; i < 2; i++) expect((await post(url, tracesOf([span], resource))).status).toBe(200)
    return (await rowsOf(own)).length
  }

  it.each(same)('is the row, when another is: %s', async (_, change) => {
    expect(await both(change)).toBe(1)
  })

  it.each(different)('is an event of its own, once, when another is its %s', async (_, change) => {
    expect(await both(change)).toBe(2)
  })
})

describe('an event on a span of another resource than its service', () => {
  const resources = [
    ['of another service', [text('service.name', 'sidecar'), text('service.instance.id', 'sidecar-1')]],
    ['without a name', []],
  ] as const

  it.each(resources)('%s: says itself whose it is, and is the row', async (_, resource) => {
    const { url } = await startGateway(database.url)
    const own = identity()
    const event = buildEvent(FIELDS, own)
    await stored(event)
    const attributes = Object.entries(toSpanEvent(event, undefined)).map(([key, value]) =>
      text(key, String(value)),
    )
    const span = auditSpan({
      traceId: event.traceId ?? '',
      spanId: event.spanId ?? '',
      timeNanos: BigInt(event.occurredAt) * 1000n,
      attributes,
    })
    expect((await post(url, tracesOf([span], resource))).status).toBe(200)
    expect(await rowsOf(own)).toHaveLength(1)
  })

  it('has no name where it says that it has none, and is marked when its sender may not use the one that it says', () => {
    const read = (attributes: readonly ReturnType<typeof text>[]) => {
      const [slice] = new ProtobufSlicer(1 << 20).push(
        protobufOf(tracesOf([auditSpan({ attributes: [...ACCESS, ...attributes] })])),
      )
      const sender = { name: 'x', mayNameService: (name: string | undefined) => name === 'billing' }
      const [found] = slice === undefined ? [] : readResource(slice, 'traces')
      const incoming = found && incomingOf(found, sender, Date.now())
      if (incoming === undefined || !isIncoming(incoming)) throw new Error('it is not an event')
      return [incoming.event.serviceName, incoming.isMismatch]
    }
    expect(read([])).toEqual(['billing', false])
    expect(read([text('secret_audit.null', 'service_name')])).toEqual([null, false])
    expect(read([text('secret_audit.service_name', 'treasury')])).toEqual(['treasury', true])
  })
})

describe('an event that a gateway has stored already', () => {
  it('gives its strict caller the digest of the row', async () => {
    const { url } = await startGateway(database.url)
    const own = identity()
    const event = buildEvent(FIELDS, own)
    const attributes = Object.entries(toSpanEvent(event, event)).map(([key, value]) =>
      text(key, String(value)),
    )
    const span = auditSpan({
      traceId: event.traceId ?? '',
      spanId: event.spanId ?? '',
      timeNanos: BigInt(event.occurredAt) * 1000n,
      attributes,
    })
    const resource = [text('service.name', 'wallet'), text('service.instance.id', 'wallet-1')]
    expect((await post(url, tracesOf([span], resource))).status).toBe(200)
    const exporter = new DurableAuditExporter({
      sink: new PostgresAuditSink({ databaseUrl: database.url }),
      lingerMs: 0,
    })
    onTestFinished(() => exporter.close(1000))
    const ticket = new Ticket('strict', 60_000, 0)
    ticket.seal(event)
    const receipt = await new Promise<Buffer | undefined>((resolve) => {
      ticket.onAnswer((_, granted) => resolve(granted?.digest))
      exporter.submit(ticket)
    })
    const rows = await rowsOf(own)
    expect(rows).toHaveLength(1)
    expect(receipt).toEqual(rows[0]?.digest)
    expect(receipt).not.toEqual(eventDigest(event))
  })
})

describe('two services that write one id and one content themselves', () => {
  it('have a row each: nobody handed one of them in', async () => {
    const own = identity()
    await stored(buildEvent(FIELDS, own))
    await stored(buildEvent(FIELDS, { ...own, serviceInstanceId: 'wallet-2' }))
    expect(await rowsOf(own)).toHaveLength(2)
  })
})

describe('a row of the trail that somebody put under the id without a block', () => {
  it('is not the event, whatever it says', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    await post(url, tracesOf([span]))
    const [first] = (await readTrail(owner)).filter(({ event }) => event.traceId === span.traceId)
    const copy = auditSpan()
    const id = `${(first?.event.auditId ?? 0n) + 1n}`
    await owner.query(
      `insert into noetl.secret_audit (audit_id, occurred_at, credential, operation, outcome, service_name, trace_id, span_id, attributes)
       select $1, occurred_at, credential, operation, outcome, service_name, $2, $3, attributes
       from noetl.secret_audit where audit_id = $4`,
      [id, copy.traceId, copy.spanId, `${first?.event.auditId}`],
    )
    const attributes = [
      ...copy.events.flatMap((event) => event.attributes),
      text('secret_audit.audit_id', id),
    ]
    await post(url, tracesOf([auditSpan({ traceId: copy.traceId, spanId: copy.spanId, attributes })]))
    const rows = (await readTrail(owner)).filter(({ event }) => event.traceId === copy.traceId)
    expect(rows).toHaveLength(2)
    expect(rows.filter(({ digest }) => digest === null)).toHaveLength(1)
  })
})

describe('an event of the helper, read of its exported span alone', () => {
  it('has the digest of its row', async () => {
    const bodies: Buffer[] = []
    const server = createServer((request, response) => {
      void (async () => {
        bodies.push(await buffer(request))
        response.end()
      })()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    environment({
      OTEL_SERVICE_NAME: 'wallet',
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf',
      OTEL_TRACES_SAMPLER: 'always_on',
    })
    const audit = createAudit({ databaseUrl: database.url, lingerMs: 0 })
    onTestFinished(() => audit.close())
    const sdk = startSdk({ ...audit.withSdk({}), autoDetectResources: true })
    const receipt = await audit.service.recordStrict(FIELDS)
    audit.service.recordAsync({ ...FIELDS, notes: 'x'.repeat(2000), attributes: { long: 'é'.repeat(3000) } })
    await sdk.shutdown()
    forgetTelemetry()
    await audit.close()
    const found = bodies
      .flatMap((body) => new ProtobufSlicer(1 << 24).push(body))
      .flatMap((slice) => readResource(slice, 'traces'))
    const digests = found.map((event) => {
      const incoming = incomingOf(event, { name: 'x', mayNameService: () => true }, Date.now())
      if (!isIncoming(incoming)) throw new Error(incoming.reason)
      expect(incoming.isCut).toBe(false)
      return eventDigest(incoming.alike[0] ?? incoming.event).toString('hex')
    })
    expect(digests).toHaveLength(2)
    expect(digests).toContain(receipt.digest.toString('hex'))
    const rows = (await readTrail(owner)).map(({ digest }) => digest?.toString('hex'))
    expect(rows).toEqual(expect.arrayContaining(digests))
  })
})
