import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SerializableSpan, TraceSerializer } from '../../../src/otel/sdk/otlp-serializer.js'
import { sdkPackages } from '../../../src/otel/sdk/packages.js'
import { decodeByDefinitions } from '../../support/otlp-definitions.js'
import { anySpans } from './arbitrary-span.js'

interface Stock {
  readonly ProtobufTraceSerializer: { serializeRequest(spans: readonly SerializableSpan[]): Uint8Array }
}

const { ProtobufTraceSerializer: stock } = sdkPackages().dependency(
  '@opentelemetry/exporter-trace-otlp-proto',
  '@opentelemetry/otlp-transformer',
) as Stock

const CONTEXT = { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: 1 }

function spanWith(attributes: Record<string, unknown>): SerializableSpan {
  return {
    name: 'work',
    kind: 0,
    spanContext: () => CONTEXT,
    startTime: [1, 2],
    endTime: [3, 4],
    status: { code: 0 },
    attributes,
    links: [],
    events: [],
    resource: RESOURCE,
    instrumentationScope: SCOPE,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}
const RESOURCE = { attributes: { 'service.name': 'orders' } }
const SCOPE = { name: 'scope' }

describe("the bytes of our serializer, read by OTLP's own definitions, are those of the SDK's serializer", () => {
  it('for any spans, one request after the other', () => {
    const own = new TraceSerializer()
    fc.assert(
      fc.property(anySpans, (spans) => {
        const bytes = own.serializeRequest(spans)
        expect(decodeByDefinitions(bytes)).toEqual(decodeByDefinitions(stock.serializeRequest(spans)))
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['lengths about 128 and 16,384', [126, 127, 128, 129, 16_383, 16_384, 16_385].map((n) => 'a'.repeat(n))],
    ['the same beyond ASCII', [42, 43, 63, 64, 127, 128, 5461, 5462, 8192].map((n) => '€'.repeat(n))],
    ['a text of megabytes', ['x'.repeat(5_000_000), `${'x'.repeat(3_000_000)}😀`]],
    ['more keys than are kept', Array.from({ length: 1500 }, (_, n) => `value ${n}`)],
  ])('%s', (_, texts) => {
    const own = new TraceSerializer()
    const spans = texts.map((text, n) => spanWith({ [`key.${n}`]: text, same: text.slice(0, 40) }))
    for (let round = 0; round < 2; round++) {
      expect(decodeByDefinitions(own.serializeRequest(spans))).toEqual(
        decodeByDefinitions(stock.serializeRequest(spans)),
      )
    }
  })

  it('no spans', () => {
    expect(new TraceSerializer().serializeRequest([])).toEqual(stock.serializeRequest([]))
  })
})

it('a request keeps its bytes while the next ones are made', () => {
  const own = new TraceSerializer()
  const first = own.serializeRequest([spanWith({ credential: 'orders-db' })])
  const before = Buffer.from(first)
  own.serializeRequest([spanWith({ credential: 'x'.repeat(200_000) })])
  own.serializeRequest([spanWith({ credential: 'invoices-db' })])
  expect(Buffer.compare(first, before)).toBe(0)
})

it('what cannot be serialized leaves nothing behind for the next request', () => {
  const own = new TraceSerializer()
  const throwing = Object.defineProperty({ first: 1 }, 'second', {
    enumerable: true,
    get: () => {
      throw new Error('not today')
    },
  })
  expect(() => own.serializeRequest([spanWith(throwing)])).toThrow('not today')
  const spans = [spanWith({ credential: 'orders-db' })]
  expect(decodeByDefinitions(own.serializeRequest(spans))).toEqual(
    decodeByDefinitions(stock.serializeRequest(spans)),
  )
})

it('the definitions are those of OTLP: they know the flags of links and the bytes of values', () => {
  const span = {
    ...spanWith({ bytes: Uint8Array.of(1, 2) }),
    links: [{ context: { ...CONTEXT, isRemote: true } }],
  }
  expect(decodeByDefinitions(new TraceSerializer().serializeRequest([span]))).toMatchObject({
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              {
                attributes: [{ key: 'bytes', value: { bytesValue: [1, 2] } }],
                links: [{ flags: 0x301 }],
                flags: 0x101,
              },
            ],
          },
        ],
      },
    ],
  })
})
