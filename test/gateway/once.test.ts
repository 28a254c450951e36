import { createAudit } from 'otel-audit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type pg from 'pg'
import { eventDigest } from '../../src/event/digest.js'
import { forgetTelemetry, listening } from '../service/telemetry.js'
import { environment, startSdk } from '../otel/own-sdk.js'
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
import { verifiedTrail } from '../support/verified.js'
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

/** The rows of one trace. */
const rowsOf = async (traceId: string) =>
  (await readTrail(owner)).filter(({ event }) => event.traceId === traceId)

const attributesOf = (json: string | null): Record<string, unknown> =>
  JSON.parse(json ?? '{}') as Record<string, unknown>

describe('an event that comes through a gateway', () => {
  it('is a row when its sender hears 200, with who sent it and when', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan()
    const before = Date.now() * 1000
    const answer = await post(url, tracesOf([span]))
    expect(answer).toMatchObject({ status: 200, body: Buffer.alloc(0) })
    expect(answer.headers['content-type']).toBe('application/x-protobuf')
    const [row, ...more] = await rowsOf(span.traceId)
    expect(more).toEqual([])
    expect(row?.event).toMatchObject({
      credential: 'payments-db',
      serviceName: 'billing',
      spanId: span.spanId,
    })
    const said = attributesOf(row?.event.attributesJson ?? null)
    expect(said).toEqual({ 'gateway.received_at': expect.any(Number), 'gateway.sender': 'anonymous' })
    expect(said['gateway.received_at']).toBeGreaterThanOrEqual(before)
    expect(row && eventDigest(row.event)).toEqual(row?.digest)
  })

  it.each([
    ['protobuf', 'application/x-protobuf'],
    ['JSON', 'application/json'],
  ])('is one row however often it is sent, as %s, without an id of its own', async (_, type) => {
    const { url } = await startGateway(database.url)
    const span = auditSpan({ events: 3 })
    for (let i = 0; i < 3; i++) {
      expect((await post(url, tracesOf([span]), { type })).status).toBe(200)
    }
    // The same events of one span, in one microsecond, are as many rows.
    expect(await rowsOf(span.traceId)).toHaveLength(3)
  })

  it('is the same event as protobuf and as JSON, and behind another resource attribute', async () => {
    const { url } = await startGateway(database.url)
    const span = auditSpan({
      attributes: [...ACCESS, { key: 'secret_audit.execution_id', value: { intValue: '7' } }],
    })
    await post(url, tracesOf([span]))
    await post(url, tracesOf([span], [text('service.name', 'billing'), text('collector', 'x')]), {
      type: 'application/json',
    })
    expect(await rowsOf(span.traceId)).toHaveLength(1)
  })

  it('is one row when two gateways get the same request at once, each with an answer of 200', async () => {
    const gateways = await Promise.all([startGateway(database.url), startGateway(database.url)])
    const spans = Array.from({ length: 300 }, () => auditSpan())
    const body = protobufOf(tracesOf(spans))
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => post(gateways[i % 2]?.url ?? '', body)),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200))
    const traces = new Set(spans.map(({ traceId }) => traceId))
    const rows = (await readTrail(owner)).filter(({ event }) => traces.has(event.traceId ?? ''))
    expect(rows).toHaveLength(300)
    expect(rows.filter(({ event }) => event.originalAuditId !== null)).toEqual([])
  })

  it('is stored beside a different event that has its id, once each', async () => {
    const { url, exporter } = await startGateway(database.url)
    const id = `${((BigInt(Date.now()) - 1_704_067_200_000n) << 22n) + 5n}`
    const [first, second] = ['a', 'b'].map((name) =>
      auditSpan({
        attributes: [...ACCESS, text('secret_audit.audit_id', id), text('secret_audit.notes', name)],
      }),
    )
    for (let i = 0; i < 3; i++) {
      await Promise.all([first, second].map((span) => post(url, tracesOf([span ?? {}]))))
    }
    const rows = (await readTrail(owner)).filter(
      ({ event }) => `${event.originalAuditId ?? event.auditId}` === id,
    )
    expect(rows.map(({ event }) => `${event.notes}`).toSorted()).toEqual(['a', 'b'])
    expect(exporter.stats()).toMatchObject({ droppedAsync: 0, failedStrict: 0 })
  })

  it('is taken from a log record, by its name in either place, and by the names of the draft', async () => {
    const { url } = await startGateway(database.url)
    const traceId = 'ab'.repeat(16)
    const time = `${nowNanos()}`
    const record = { timeUnixNano: time, traceId, spanId: 'cd'.repeat(8), attributes: ACCESS }
    const request = logsOf([
      { ...record, eventName: 'secret.access' },
      { ...record, spanId: '', attributes: [text('event.name', 'secret.access'), ...ACCESS] },
      {
        ...record,
        eventName: 'secret.access',
        attributes: [
          text('audit.target.id', 'drafted-db'),
          text('audit.action', 'READ'),
          text('audit.outcome', 'failure'),
          text('audit.actor.id', 'alice'),
        ],
      },
      { ...record, eventName: 'other' },
    ])
    for (const type of ['application/x-protobuf', 'application/json']) {
      expect((await post(url, request, { type })).status).toBe(200)
    }
    const rows = await rowsOf(traceId)
    expect(rows.map(({ event }) => event.credential).toSorted()).toEqual([
      'drafted-db',
      'payments-db',
      'payments-db',
    ])
    expect(rows.find(({ event }) => event.credential === 'drafted-db')?.event).toMatchObject({
      operation: 'read',
      outcome: 'other',
      actorId: 'alice',
    })
  })

  it('leaves chains that verify, and no row about a loss', async () => {
    const { found } = await verifiedTrail(database.url)
    expect(found).toEqual([])
    const gaps = (await readTrail(owner)).filter(({ event }) => event.operation === 'audit_gap')
    expect(gaps).toEqual([])
  })
})

describe('a service that writes its rows itself, and whose spans reach a gateway', () => {
  const services = [
    ['with a name', { OTEL_SERVICE_NAME: 'wallet' }],
    ['without one', {}],
    [
      'with an instance id',
      { OTEL_SERVICE_NAME: 'wallet', OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=w-1' },
    ],
  ] as const

  it.each(services)('has one row for each event, %s, whoever is first', async (_, variables) => {
    const { url, exporter } = await startGateway(database.url)
    environment({
      ...variables,
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces`,
      OTEL_TRACES_SAMPLER: 'always_on',
      OTEL_BSP_SCHEDULE_DELAY: '10',
    })
    const audit = createAudit({ databaseUrl: database.url, lingerMs: 200 })
    onTestFinished(() => audit.close())
    const sdk = startSdk({ ...audit.withSdk({}), autoDetectResources: true })
    await audit.start()
    const credential = `both-ways-${services.findIndex(([name]) => name === _)}`
    const access = { credential, operation: 'get_credential', outcome: 'ok' } as const
    const receipt = await audit.service.recordStrict({ ...access, attributes: { tenant: 't', n: 1 } })
    // Their rows wait: the gateway has most of them first.
    for (let i = 0; i < 10; i++) audit.service.recordAsync({ ...access, notes: `n-${i} 🔑` })
    await sdk.shutdown()
    forgetTelemetry()
    await audit.close()
    const rows = (await readTrail(owner)).filter(({ event }) => event.credential === credential)
    expect(rows).toHaveLength(11)
    expect(rows.filter(({ event }) => event.originalAuditId !== null)).toEqual([])
    expect(new Set(rows.map(({ event }) => event.serviceInstanceId)).size).toBe(1)
    expect(exporter.stats()).toMatchObject({ emitted: 11, written: 11 })
    // The strict one was committed before its span ended: the row is the helper's own, and its receipt says so.
    const strict = rows.find(({ event }) => event.auditId === receipt.auditId)
    expect(strict?.digest).toEqual(receipt.digest)
  })
})
