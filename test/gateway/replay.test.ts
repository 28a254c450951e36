import { describe, expect, it } from 'vitest'
import { sha256 } from '../../src/event/sha256.js'
import { snowflakeTime } from '../../src/event/snowflake.js'
import type { FoundEvent } from '../../src/gateway/otlp/found-event.js'
import { readJsonResource } from '../../src/gateway/otlp/json.js'
import { readResource } from '../../src/gateway/otlp/protobuf.js'
import { JsonSlicer, ProtobufSlicer } from '../../src/gateway/otlp/slices.js'
import { type Kept, replayed } from '../../src/gateway/replay.js'
import {
  ACCESS,
  auditSpan,
  logsOf,
  nowNanos,
  protobufOf,
  text,
  tracesOf,
} from '../support/gateway/requests.js'

const TRACE = 'ab'.repeat(16)
const SPAN = 'cd'.repeat(8)
const NOW = Date.now()
const AHEAD = nowNanos() + 40n * 86_400n * 1_000_000_000n

/** What the quarantine has of an event. */
function keptOf(found: FoundEvent | undefined, changed: Partial<Kept> = {}): [Kept, Buffer] {
  if (found === undefined) throw new Error('there is no event')
  const raw = Buffer.from(found.raw())
  const kept = {
    format: found.format,
    sender: 'collector-eu',
    serviceName: 'billing',
    serviceInstanceId: 'b-1',
    traceId: TRACE,
    spanId: SPAN,
    ordinal: found.ordinal,
    receivedAt: 5,
    rawSha256: sha256(raw).toString('hex'),
    ...changed,
  }
  return [kept, raw]
}

const span = (options: Parameters<typeof auditSpan>[0] = {}) =>
  auditSpan({ traceId: TRACE, spanId: SPAN, ...options })

function asProtobuf(request: object): FoundEvent | undefined {
  const [slice] = new ProtobufSlicer(1 << 20).push(protobufOf(request))
  return slice && readResource(slice, 'resourceLogs' in request ? 'logs' : 'traces')[0]
}

function asJson(request: object): FoundEvent | undefined {
  const [slice] = new JsonSlicer(1 << 20).push(Buffer.from(JSON.stringify(request)))
  return slice && readJsonResource(slice, 'resourceLogs' in request ? 'logs' : 'traces')[0]
}

const log = () =>
  logsOf([{ eventName: 'secret.access', timeUnixNano: `${nowNanos()}`, traceId: TRACE, attributes: ACCESS }])

describe('what was kept aside', () => {
  const cases: [string, FoundEvent | undefined][] = [
    ['span event as protobuf', asProtobuf(tracesOf([span()]))],
    ['span event as JSON', asJson(tracesOf([span()]))],
    ['log record as protobuf', asProtobuf(log())],
    ['log record as JSON', asJson(log())],
  ]

  it.each(cases)('is an event as it came first: a %s', (_, found) => {
    const { event } = replayed(...keptOf(found), NOW, false)
    expect(event).toMatchObject({
      credential: 'payments-db',
      serviceName: 'billing',
      serviceInstanceId: 'b-1',
      traceId: TRACE,
      spanId: SPAN,
    })
    expect(JSON.parse(event.attributesJson ?? '')).toEqual({
      'gateway.received_at': 5,
      'gateway.sender': 'collector-eu',
    })
  })

  it('may have come without service, trace and span', () => {
    const without = { serviceName: null, serviceInstanceId: null, traceId: null, spanId: null }
    const { event } = replayed(...keptOf(asProtobuf(tracesOf([span()])), without), NOW, false)
    expect(event).toMatchObject(without)
  })

  it('for its time is an event of now, with the time that it claims, when that is asked for', () => {
    const kept = keptOf(asProtobuf(tracesOf([span({ timeNanos: AHEAD })])))
    expect(() => replayed(...kept, NOW, false)).toThrow('it still cannot be a row: clock')
    const { event, alike } = replayed(...kept, NOW, true)
    expect(event.occurredAt).toBe(Number(AHEAD / 1000n))
    expect(Math.abs(snowflakeTime(event.auditId) - NOW)).toBeLessThan(86_400_000)
    expect(alike[0]?.auditId).toBe(event.auditId)
    expect(replayed(...kept, NOW, true).event.auditId).toBe(event.auditId)
  })

  it.each<[string, () => [Kept, Buffer], string]>([
    [
      'is cut',
      () => keptOf(asProtobuf(tracesOf([span()])), { rawSha256: '00' }),
      'only its beginning is kept',
    ],
    [
      'is a part of a request',
      () => keptOf(asProtobuf(tracesOf([span()])), { format: 'traces/protobuf' }),
      'a part of a request',
    ],
    [
      'is something else',
      () => {
        const raw = Buffer.from('{"name":"other"}')
        const [kept] = keptOf(asJson(tracesOf([span()])), { rawSha256: sha256(raw).toString('hex') })
        return [kept, raw]
      },
      'not a secret.access event',
    ],
    [
      'lacks what a row needs',
      () => keptOf(asProtobuf(tracesOf([span({ attributes: ACCESS.slice(1) })]))),
      'it still cannot be a row: incomplete',
    ],
    [
      'has a value that cannot be what it is',
      () =>
        keptOf(
          asProtobuf(tracesOf([span({ attributes: [...ACCESS, text('secret_audit.actor_type', 'x')] })])),
        ),
      'it still cannot be a row: invalid',
    ],
  ])('cannot be replayed when it %s', (_, made, why) => {
    expect(() => replayed(...made(), NOW, false)).toThrow(why)
  })
})
