import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeFilter, parseFilter } from '../../src/query/filter.js'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'
import { formatTime } from '../../src/event/time.js'
import { parseTime } from '../../src/query/time.js'

const NOW = Date.UTC(2026, 10, 26, 12)
const micros = (text: string): number => Date.parse(text) * 1000

describe('a time', () => {
  test.each([
    ['2026-07-01T00:00:00Z', micros('2026-07-01T00:00:00Z')],
    ['2026-07-01', micros('2026-07-01T00:00:00Z')],
    ['2026-07-01t02:00:00.000001+02:00', micros('2026-07-01T00:00:00Z') + 1],
    ['2026-07-01 00:00:00.5Z', micros('2026-07-01T00:00:00.500Z')],
    ['2026-06-30T18:30:00-05:30', micros('2026-07-01T00:00:00Z')],
    ['-24h', (NOW - 86_400_000) * 1000],
    ['7d', (NOW - 7 * 86_400_000) * 1000],
    ['90s', (NOW - 90_000) * 1000],
    ['2w', (NOW - 14 * 86_400_000) * 1000],
    ['now', NOW * 1000],
  ])('%s', (text, expected) => {
    expect(parseTime(text, NOW)).toBe(expected)
  })

  test.each([
    '',
    ' ',
    'yesterday',
    '2026',
    '2026-13-01',
    '2026-02-30',
    '2026-02-30T00:00:00Z',
    '2026-07-01T24:00:00Z',
    '2026-07-01T00:00:60Z',
    '2026-07-01T00:00:00',
    '2026-07-01T00:00:00+25:00',
    '2026-07-01T00:00:00.1234567Z',
    '1969-12-31',
    '9999-01-01',
    '1782864000',
    '-24',
    '24y',
    '--24h',
    '1e3h',
    "now'; drop table x --",
  ])('%j is none', (text) => {
    expect(parseTime(text, NOW)).toBeUndefined()
  })

  test('is written so that it is read as the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(2254, 11, 31) * 1000 }), (time) => {
        expect(parseTime(formatTime(time), NOW)).toBe(time)
      }),
    )
  })
})

describe('a filter', () => {
  test('may be of texts, or of their own types', () => {
    const texts = parseFilter(
      { execution_id: '42', limit: '7', from: '2026-07-01T00:00:00.000Z', settled: 'true' },
      NOW,
    )
    const typed = parseFilter(
      { execution_id: 42n, limit: 7, from: new Date('2026-07-01'), settled: true },
      NOW,
    )
    expect(typed).toEqual(texts)
    expect(texts).toMatchObject({ written: { execution_id: '42' }, limit: 7, from: micros('2026-07-01') })
  })

  test('says of a credential that ends with * how it begins', () => {
    expect(parseFilter({ credential: 'orders-*' }).terms).toEqual({
      credential: { oneOf: [{ kind: 'begins', text: 'orders-' }], noneOf: [] },
    })
    expect(parseFilter({ credential: 'a*b' }).terms).toEqual({
      credential: { oneOf: [{ kind: 'is', text: 'a*b' }], noneOf: [] },
    })
    expect(parseFilter({ worker_id: 'a*', from: '-1h' }).terms).toEqual({
      worker_id: { oneOf: [{ kind: 'is', text: 'a*' }], noneOf: [] },
    })
  })

  test('has 100 rows on a page unless it says otherwise, and knows no value but what was given', () => {
    expect(parseFilter({})).toMatchObject({ limit: 100, terms: {}, settled: false, from: undefined })
    expect(parseFilter({ credential: undefined })).toEqual(parseFilter({}))
  })

  const long = (n: number): string => 'x'.repeat(n)
  const injection = `x' or 1=1; drop table noetl.secret_audit; --`
  test.each<[string, unknown]>([
    ['limit', '0'],
    ['limit', '10001'],
    ['limit', '-1'],
    ['limit', '1.5'],
    ['limit', '1e3'],
    ['limit', ''],
    ['limit', 'all'],
    ['limit', Number.NaN],
    ['limit', null],
    ['limit', '0x10'],
    ['limit', injection],
    ['credential', ''],
    ['credential', long(514)],
    ['credential', 'a\u0000b'],
    ['credential', 'a\ud800'],
    ['credential', 5],
    ['credential', ['a']],
    ['credential', { a: 1 }],
    ['operation', 'Get'],
    ['operation', injection],
    ['operation', ''],
    ['operation', long(65)],
    ['outcome', 'NOT-OK'],
    ['outcome', injection],
    ['outcome', true],
    ['worker_id', ''],
    ['worker_id', long(257)],
    ['worker_id', '\n'],
    ['execution_id', 'x'],
    ['execution_id', '1.0'],
    ['execution_id', '9223372036854775808'],
    ['execution_id', 2 ** 60],
    ['execution_id', ''],
    ['execution_id', injection],
    ['execution_id', null],
    ['parent_execution_id', '--5'],
    ['parent_execution_id', injection],
    ['actor_id', long(257)],
    ['service_name', ''],
    ['server_region', long(129)],
    ['kek_version', '\u007f'],
    ['outcome', 'ok,'],
    ['outcome', 'ok,Denied'],
    ['outcome', '!'],
    ['credential', 'a,,b'],
    ['credential', Array.from({ length: 51 }, (_, i) => `c${i}`).join(',')],
    ['execution_id', '1,x'],
    ['trace_id', `!${long(31)}g`],
    ['hours', '8-18'],
    ['hours', '08:00-24:01'],
    ['hours', 'mo-xx 08:00-18:00'],
    ['hours', '08:00-18:00 Nowhere/Land'],
    ['hours', 8],
    ['own', 'hide'],
    ['trace_id', '4bf92f'],
    ['trace_id', `${long(31)}g`],
    ['trace_id', injection],
    ['from', 'yesterday'],
    ['from', injection],
    ['from', 5],
    ['from', new Date(Number.NaN)],
    ['from', ''],
    ['to', '2026-02-30'],
    ['to', ['2026-01-01']],
    ['settled', 'yes'],
    ['settled', 1],
    ['settled', '-1'],
    ['cursor', ''],
    ['cursor', long(129)],
  ])('refuses %s = %j, by name', (field, value) => {
    expect(() => parseFilter({ [field]: value, ...(field !== 'from' && { from: '-1h' }) })).toThrow(
      expect.objectContaining({
        code: 'AUDIT_INVALID_QUERY',
        field,
        message: expect.stringContaining(`AUDIT_INVALID_QUERY: ${field} `),
      }),
    )
  })

  test.each([
    ['crednetial', 'did you mean credential?'],
    ['workerId', 'did you mean worker_id?'],
    ['since', 'there is no parameter "since"'],
    ['__proto__', 'there is no parameter "__proto__"'],
    [injection, 'there is no parameter'],
  ])('refuses what there is not: %s', (name, message) => {
    const given = JSON.parse(`{${JSON.stringify(name)}:"x"}`) as unknown
    expect(() => parseFilter(given)).toThrow(
      expect.objectContaining({
        code: 'AUDIT_INVALID_QUERY',
        field: name,
        message: expect.stringContaining(message),
      }),
    )
  })

  test.each([[null], [5], ['credential=x'], [[]]])('refuses %j in place of a filter', (given) => {
    expect(() => parseFilter(given)).toThrow(expect.objectContaining({ code: 'AUDIT_INVALID_QUERY' }))
  })

  test('refuses a window that ends before it begins', () => {
    expect(() => parseFilter({ from: '-1h', to: '-2h' })).toThrow(expect.objectContaining({ field: 'from' }))
    expect(() => parseFilter({ from: '2026-07-01', to: '2026-07-01' })).toThrow('is not before')
  })

  test('has a window of a given length when it does not say where it begins', () => {
    const day = { windowMs: 86_400_000 }
    const window = (given: object) => {
      const { from, to } = parseFilter(given, NOW, day)
      return [from, to]
    }
    expect(window({})).toEqual([micros('2026-11-25T12:00:00Z'), undefined])
    expect(window({ to: '2026-07-02' })).toEqual([micros('2026-07-01'), micros('2026-07-02')])
    expect(window({ from: '-1h' })).toEqual([(NOW - 3_600_000) * 1000, undefined])
    expect(window({ to: '1970-01-01T06:00:00Z' })).toEqual([0, micros('1970-01-01T06:00:00Z')])
    expect(() => parseFilter({ worker_id: 'w' }, NOW, day)).not.toThrow()
  })

  const unindexed = Object.entries(FILTER_FIELDS).filter(([, field]) => 'needsWindow' in field)

  test.each(unindexed)('refuses %s alone: it would read the whole trail', (name, { example }) => {
    const alone = { [name]: example }
    const refused = expect.objectContaining({
      code: 'AUDIT_INVALID_QUERY',
      field: name,
      message: expect.stringContaining('from='),
    })
    expect(() => parseFilter(alone)).toThrow(refused)
    expect(() => parseFilter({ ...alone, to: '-1h' })).toThrow(refused)
    expect(() => parseFilter({ ...alone, credential: '*' })).toThrow(refused)
    for (const bounded of [
      { from: '-1h' },
      { credential: 'a' },
      { credential: 'a*' },
      { execution_id: '1' },
    ]) {
      expect(JSON.parse(describeFilter(parseFilter({ ...alone, ...bounded })))).toMatchObject(alone)
    }
    expect(JSON.parse(describeFilter(parseFilter(alone, NOW, { isBounded: true })))).toEqual(alone)
  })

  test('is said with its times resolved, and without what is of the page', () => {
    const filter = parseFilter(
      { credential: 'a*', outcome: 'not-ok', from: '-24h', limit: '5', settled: true, worker_id: 'w' },
      NOW,
    )
    expect(JSON.parse(describeFilter(filter))).toEqual({
      credential: 'a*',
      outcome: 'not-ok',
      worker_id: 'w',
      from: '2026-11-25T12:00:00.000000Z',
      settled: true,
    })
  })
})
