import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node'
import { resources } from '@opentelemetry/sdk-node'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventDigest } from '../../src/event/digest.js'
import { type AuditEvent, completeEvent, draftEvent } from '../../src/event/event.js'
import type { AuditOptions } from '../../src/options/options.js'
import { fromSpanEvent } from '../../src/otel/span-event.js'
import { attributeOf, OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js'
import { forgetTelemetry } from '../service/telemetry.js'
import { ACCESS, environment, recordingAudit, startSdk } from './own-sdk.js'

// Whoever has nothing but what was exported (the span, its event and its resource) has the whole event.

let receiver: OtlpReceiver

beforeEach(async () => {
  receiver = await OtlpReceiver.start()
  environment({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_RESOURCE_ATTRIBUTES: '',
    OTEL_SERVICE_NAME: '',
  })
})

afterEach(() => receiver.close())

const FULL = {
  ...ACCESS,
  occurredAt: 1_790_000_000_123_457,
  workerId: 'w-1',
  executionId: 2n ** 62n,
  parentExecutionId: -1n,
  serverRegion: 'eu',
  brokerRegion: 'us',
  kekVersion: 'v7',
  notes: `a line\n${'é'.repeat(1100)}`,
  actorId: 'a-1',
  actorType: 'user',
  sourceAddress: '2001:db8::1',
  attributes: { tenant: 't-1', hit: true, version: 3 },
} as const

/** The event of an exported span, by that span alone. */
function rebuilt({ traceId, spanId, events, resource }: ReceivedSpan): AuditEvent {
  const [event, ...more] = events as readonly (ReceivedSpan['events'][number] & {
    readonly timeUnixNano: string
  })[]
  if (event === undefined || more.length > 0) throw new Error('not one span event')
  const read = fromSpanEvent(
    Object.fromEntries(event.attributes.map(({ key, value }) => [key, value.stringValue])),
  )
  if (read === undefined) throw new Error('the span event cannot be read')
  const { serviceName = attributeOf(resource, 'service.name') } = read
  const { serviceInstanceId = attributeOf(resource, 'service.instance.id') } = read
  return completeEvent(draftEvent(read.fields, read.markers), {
    auditId: read.auditId ?? -1n,
    occurredAt: read.occurredAt ?? Number(BigInt(event.timeUnixNano) / 1000n),
    serviceName: serviceName ?? undefined,
    serviceInstanceId: serviceInstanceId ?? undefined,
    traceId,
    spanId,
  })
}

const resource = resources.resourceFromAttributes({ 'service.name': 'other', 'service.instance.id': 'i-2' })

/** As most applications have it, without the detectors that take their time. */
const FROM_ENVIRONMENT = { autoDetectResources: true, resourceDetectors: [resources.envDetector] }

interface Case {
  readonly env?: Readonly<Record<string, string>>
  readonly options?: AuditOptions
  readonly sdk?: Partial<NodeSDKConfiguration>
  /** Attributes of the span event that are not the caller's. */
  readonly said: readonly string[]
}

const CASES: Readonly<Record<string, Case>> = {
  'nobody names the service': { said: ['null'] },
  'the environment names it': {
    env: { OTEL_RESOURCE_ATTRIBUTES: 'service.name=wallet,service.instance.id=i-1' },
    said: [],
  },
  'the pipeline names it alone': {
    options: { serviceName: 'wallet' },
    said: [],
  },
  'the SDK names another one': { sdk: { resource }, said: [] },
  'both name one': {
    options: { serviceName: 'other', serviceInstanceId: 'i-2' },
    sdk: { resource },
    said: [],
  },
  'its name has to be cut': {
    options: { serviceName: 'n'.repeat(300) },
    sdk: { resource },
    said: ['service_name'],
  },
  'the resource is not known yet': {
    options: { serviceName: 'other', serviceInstanceId: 'i-2' },
    sdk: {
      resource: resource.merge(
        resources.detectResources({
          detectors: [{ detect: () => ({ attributes: { 'service.name': later('third') } }) }],
        }),
      ),
    },
    said: ['service_instance_id', 'service_name'],
  },
  'it is OTLP as JSON': {
    env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_RESOURCE_ATTRIBUTES: 'service.name=wallet' },
    said: [],
  },
}

function later(value: string): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve(value), 50))
}

describe('an event is rebuilt from its exported span and resource, where', () => {
  it.each(Object.keys(CASES))('%s', async (name) => {
    const { env = {}, options = {}, sdk: configuration = {}, said } = CASES[name] ?? { said: [] }
    environment(env)
    const { audit, rows } = recordingAudit(options)
    const sdk = startSdk({ ...audit.withSdk(configuration), ...FROM_ENVIRONMENT })
    audit.service.recordAsync(FULL)
    await audit.service.recordStrict(ACCESS)
    const stored = await rows()
    await sdk.shutdown()
    const spans = receiver.auditSpans
    expect(stored).toHaveLength(2)
    for (const event of stored) {
      const span = spans.find(({ spanId }) => spanId === event.spanId)
      if (span === undefined) throw new Error('a record without its span')
      expect(rebuilt(span)).toEqual(event)
      expect(eventDigest(rebuilt(span))).toEqual(eventDigest(event))
      expect(attributeOf(span.attributes, 'audit.record.id')).toBe(`${event.auditId}`)
      const keys = span.events[0]?.attributes.map(({ key }) => key.replace('secret_audit.', '')) ?? []
      expect(
        keys.filter((key) => /^(service_|null$|occurred_at|schema|audit\.)/.test(key)).toSorted(),
      ).toEqual(said)
    }
    const [, strict] = stored
    const { attributes } = spans.find(({ spanId }) => spanId === strict?.spanId) ?? { attributes: [] }
    const digest = strict && eventDigest(strict).toString('hex')
    expect(attributeOf(attributes, 'secret_audit.digest')).toBe(digest)
  })
})

it('has the audit-log draft beside it only where that is asked for', async () => {
  const keysOf = async (options: AuditOptions): Promise<string[]> => {
    receiver.spans.length = 0
    const { audit } = recordingAudit(options)
    const sdk = startSdk(audit.withSdk({}))
    await audit.service.recordStrict(ACCESS)
    await sdk.shutdown()
    forgetTelemetry()
    const [span] = receiver.auditSpans
    return span?.events[0]?.attributes.map(({ key }) => key) ?? []
  }
  const isOfDraft = (key: string): boolean => key.startsWith('audit.')
  expect((await keysOf({})).filter(isOfDraft)).toEqual([])
  expect((await keysOf({ auditLogDraft: true })).filter(isOfDraft)).toEqual([
    'audit.record.id',
    'audit.actor.id',
    'audit.action',
    'audit.outcome',
    'audit.target.id',
    'audit.target.type',
  ])
})
