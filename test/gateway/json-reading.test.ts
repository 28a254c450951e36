import { describe, expect, it } from 'vitest'
import { type FoundEvent, Malformed, UNUSABLE } from '../../src/gateway/otlp/found-event.js'
import { readJsonResource, readJsonSingle } from '../../src/gateway/otlp/json.js'

const NAME = 'secret.access'
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** The one event of a resource whose span, and whose event, have these members too. */
function read(event: object = {}, span: object = {}): FoundEvent | undefined {
  const spans = [{ events: [{ name: NAME, ...event }], ...span }]
  return readJsonResource(bytes({ scopeSpans: [{ spans }] }), 'traces')[0]
}

function readLog(record: object): FoundEvent | undefined {
  return readJsonResource(bytes({ scopeLogs: [{ logRecords: [record] }], note: NAME }), 'logs')[0]
}

const value = (given: unknown) => read({ attributes: [{ key: 'a', value: given }] })?.attributes['a']

describe('a resource as JSON', () => {
  it.each([
    ['nothing of ours', { scopeSpans: [{ spans: [{ events: [{ name: 'other' }] }] }] }],
    ['a list', [NAME]],
    ['a text', NAME],
    ['null in the place of each thing', { note: NAME, resource: null, scopeSpans: [null] }],
    ['no lists', { note: NAME, scopeSpans: {}, resource: { attributes: {} } }],
    ['spans that are none', { note: NAME, scopeSpans: [{ spans: [null, 1, 'x', []] }] }],
    ['events that are none', { note: NAME, scopeSpans: [{ spans: [{ events: [null, [], 'x'] }] }] }],
  ])('has no event when it is %s', (_, given) => {
    expect(readJsonResource(bytes(given), 'traces')).toEqual([])
    expect(readJsonResource(bytes(given), 'logs')).toEqual([])
  })

  it('is refused when it is not JSON, and only then', () => {
    expect(() => readJsonResource(Buffer.from(`{"${NAME}"`), 'traces')).toThrow(Malformed)
    expect(() => readJsonSingle(Buffer.from('{'), 'traces')).toThrow(Malformed)
    // What has nothing of ours is not even looked at.
    expect(readJsonResource(Buffer.from('{'), 'traces')).toEqual([])
  })

  it('may have its name in escapes', () => {
    const text = JSON.stringify({ scopeSpans: [{ spans: [{ events: [{ name: NAME }] }] }] })
    const escaped = text.replace(NAME, '\\u0073ecret.access')
    expect(readJsonResource(Buffer.from(escaped), 'traces')).toHaveLength(1)
  })

  it('counts the events of a span that are ours, and no others', () => {
    const events = [{ name: NAME }, { name: 'exception' }, { name: NAME }]
    const found = readJsonResource(bytes({ scopeSpans: [{ spans: [{ events }] }] }), 'traces')
    expect(found.map(({ ordinal }) => ordinal)).toEqual([0, 1])
  })
})

describe('a value', () => {
  it.each<[string, unknown, unknown]>([
    ['text', { stringValue: 'x' }, 'x'],
    ['half of a character', { stringValue: '\ud800' }, UNUSABLE],
    ['what stands for bytes that are none, where all are', { stringValue: '\u{fffd}' }, '\u{fffd}'],
    ['true', { boolValue: true }, true],
    ['false', { boolValue: false }, false],
    ['a whole number', { intValue: 7 }, 7n],
    ['a whole number as text', { intValue: '-9223372036854775808' }, -(2n ** 63n)],
    ['one of more than 64 bits', { intValue: '9223372036854775808' }, UNUSABLE],
    ['one that may be rounded', { intValue: 2 ** 53 }, UNUSABLE],
    ['one with a fraction', { intValue: 0.5 }, UNUSABLE],
    ['one in words', { intValue: 'seven' }, UNUSABLE],
    ['one that is an object', { intValue: {} }, UNUSABLE],
    ['null, for a whole number', { intValue: null }, UNUSABLE],
    ['a double', { doubleValue: 0.25 }, 0.25],
    ['a double as text', { doubleValue: 'Infinity' }, Number.POSITIVE_INFINITY],
    ['a double that is no text', { doubleValue: ' ' }, UNUSABLE],
    ['a list', { arrayValue: {} }, UNUSABLE],
    ['none', {}, undefined],
    ['null', null, undefined],
  ])('%s', (_, given, expected) => {
    expect(value(given)).toBe(expected)
  })

  it('of a key that comes twice is the last one, also when that is none; a key that is none is left out', () => {
    const attributes = (...pairs: readonly unknown[]) => read({ attributes: pairs })?.attributes
    const a = { key: 'a', value: { stringValue: 'x' } }
    expect(attributes(a, { key: 'a', value: { stringValue: 'y' } })).toEqual({ a: 'y' })
    expect(attributes(a, { key: 'a', value: {} })).toEqual({})
    expect(attributes({ key: 1, value: { stringValue: 'x' } }, null, 'x')).toEqual({})
  })
})

describe('ids, times and what was dropped', () => {
  it.each([
    ['AB'.repeat(16), 'ab'.repeat(16)],
    ['00'.repeat(16), ''],
    ['ab'.repeat(8), ''],
    ['zz'.repeat(16), ''],
    [5, ''],
  ])('the trace id %s is %j', (given, expected) => {
    expect(read({}, { traceId: given })?.traceId).toBe(expected)
  })

  it.each<[unknown, bigint]>([
    ['5', 5n],
    [5.5, 5n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['18446744073709551616', 0n],
    ['5e3', 0n],
    [-5, 0n],
    [1e30, 0n],
    [null, 0n],
    [{}, 0n],
  ])('the time %j is %s ns', (given, expected) => {
    expect(read({ timeUnixNano: given })?.timeNanos).toBe(expected)
  })

  it.each<[object, object, boolean]>([
    [{}, {}, false],
    [{ droppedAttributesCount: 1 }, {}, true],
    [{ droppedAttributesCount: '1' }, {}, true],
    [{ droppedAttributesCount: 'x' }, {}, false],
    [{ droppedAttributesCount: { valueOf: 1, toString: 1 } }, {}, false],
    [{}, { droppedAttributesCount: 1 }, true],
    [{}, { droppedEventsCount: 2 }, true],
  ])('%j on a span %j: something is missing: %s', (event, span, expected) => {
    expect(read(event, span)?.isIncomplete).toBe(expected)
  })
})

describe('a log record', () => {
  const named = { attributes: [{ key: 'event.name', value: { stringValue: NAME } }] }

  it('has its name in either place, and that of the field counts', () => {
    expect(readLog({ eventName: NAME })).toBeDefined()
    expect(readLog(named)).toBeDefined()
    expect(readLog({ ...named, eventName: '' })).toBeDefined()
    expect(readLog({ ...named, eventName: 'other' })).toBeUndefined()
    expect(readLog({})).toBeUndefined()
  })

  it('has the time at which it was seen where it has no other', () => {
    expect(readLog({ eventName: NAME, observedTimeUnixNano: '6' })?.timeNanos).toBe(6n)
    expect(readLog({ eventName: NAME, timeUnixNano: '5', observedTimeUnixNano: '6' })?.timeNanos).toBe(5n)
  })
})

describe('one event alone', () => {
  it('is read again from what is kept of it', () => {
    const event = read({ timeUnixNano: '5', attributes: [{ key: 'a', value: { intValue: '7' } }] })
    expect(readJsonSingle(event?.raw() ?? Buffer.alloc(0), 'traces')).toMatchObject({
      timeNanos: 5n,
      attributes: { a: 7n },
    })
    const record = readLog({ eventName: NAME, timeUnixNano: '5', traceId: 'ab'.repeat(16) })
    expect(readJsonSingle(record?.raw() ?? Buffer.alloc(0), 'logs')).toMatchObject({
      timeNanos: 5n,
      traceId: 'ab'.repeat(16),
    })
    expect(readJsonSingle(Buffer.from('{}'), 'traces')).toBeUndefined()
    expect(readJsonSingle(Buffer.from('[]'), 'logs')).toBeUndefined()
  })

  it('that is nested deeper than can be written is kept as the beginning of what it came in', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const text = `{"scopeSpans":[{"spans":[{"events":[{"name":"${NAME}","x":${deep}}]}]}]}`
    const [found] = readJsonResource(Buffer.from(text), 'traces')
    expect(found?.raw().toString()).toBe(text.slice(0, 65_536))
  })
})
