import type { HrTime, Link, SpanContext } from '@opentelemetry/api'
import * as fc from 'fast-check'
import type { SerializableSpan } from '../../../src/otel/sdk/otlp-serializer.js'
import { anyText } from '../../event/arbitrary-event.js'

const hexId = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => Buffer.from(id).toString('hex'))

/** To the second in which 64 bits of nanoseconds end. */
const time: fc.Arbitrary<HrTime> = fc.tuple(
  fc.oneof(fc.integer({ min: 0, max: 18_446_744_072 }), fc.constantFrom(0, 65_535, 65_536, 2 ** 31, 2 ** 32)),
  fc.integer({ min: 0, max: 999_999_999 }),
)

const count = fc.oneof(fc.constant(0), fc.nat(0xffff_ffff))

const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 63), 2 ** 63, 2 ** 63 - 1024, 127, 128, -1),
)

/** Of every kind that an attribute has, and of kinds that none should have: the SDK does not look. */
const plainValue = fc.oneof(
  { weight: 3, arbitrary: anyText },
  { weight: 3, arbitrary: number },
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(Symbol('value'), () => {}, new Date(0)),
)

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    plainValue,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.array(fc.oneof(anyText, fc.constantFrom(null, undefined)), { maxLength: 6 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
  ),
}))

const key = fc.oneof(
  anyText,
  fc.constantFrom('', '__proto__', 'http.route', 'é', 'k'.repeat(64), 'k'.repeat(65)),
)

const attributes = fc
  .array(fc.tuple(key, value), { maxLength: 8 })
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown>)

const context: fc.Arbitrary<SpanContext> = fc.record(
  {
    traceId: hexId(16),
    spanId: hexId(8),
    traceFlags: fc.integer({ min: 0, max: 255 }),
    isRemote: fc.boolean(),
    traceState: fc
      .oneof(fc.constant(''), fc.constant('vendor=value,other=1'), anyText)
      .map((text) => ({ serialize: () => text }) as NonNullable<SpanContext['traceState']>),
  },
  { requiredKeys: ['traceId', 'spanId', 'traceFlags'] },
)

const event = fc.record(
  { time, name: anyText, attributes, droppedAttributesCount: count },
  { requiredKeys: ['time', 'name'] },
)

const link = fc.record(
  { context, attributes, droppedAttributesCount: count },
  { requiredKeys: ['context'] },
) as fc.Arbitrary<Link>

const scope = fc.record(
  {
    name: anyText,
    version: anyText,
    schemaUrl: anyText,
    attributes,
    droppedAttributesCount: count,
  },
  { requiredKeys: ['name'] },
)

const resource = fc.record({ attributes, schemaUrl: anyText }, { requiredKeys: ['attributes'] })

const span = (
  resources: readonly SerializableSpan['resource'][],
  scopes: readonly SerializableSpan['instrumentationScope'][],
): fc.Arbitrary<SerializableSpan> =>
  fc
    .record(
      {
        context,
        parentSpanContext: fc.oneof(
          context,
          context.map((given) => ({ ...given, spanId: '' })),
        ),
        name: anyText,
        kind: fc.integer({ min: 0, max: 4 }),
        startTime: time,
        endTime: time,
        status: fc.record(
          { code: fc.integer({ min: 0, max: 2 }), message: anyText },
          { requiredKeys: ['code'] },
        ),
        attributes,
        links: fc.array(link, { maxLength: 3 }),
        events: fc.array(event, { maxLength: 3 }),
        resource: fc.constantFrom(...resources),
        instrumentationScope: fc.constantFrom(...scopes),
        droppedAttributesCount: count,
        droppedEventsCount: count,
        droppedLinksCount: count,
      },
      { noNullPrototype: true },
    )
    .chain(({ parentSpanContext, context, ...rest }) =>
      fc.boolean().map((isRoot) => ({
        ...rest,
        spanContext: () => context,
        ...(isRoot ? {} : { parentSpanContext }),
      })),
    )

/** What a batch processor hands over: spans of some scopes below some resources. */
export const anySpans: fc.Arbitrary<readonly SerializableSpan[]> = fc
  .tuple(fc.array(resource, { minLength: 1, maxLength: 2 }), fc.array(scope, { minLength: 1, maxLength: 3 }))
  .chain(([resources, scopes]) => fc.array(span(resources, scopes), { maxLength: 5 }))
