import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { branchesOf } from '../../src/query/branches.js'
import { parseFilter } from '../../src/query/filter.js'
import { isWithin, parseHours, writtenHours } from '../../src/query/hours.js'
import { type Item, joinList, splitList } from '../../src/query/list.js'

const item = (text: string, more: Partial<Item> = {}): Item => ({
  text,
  isExcluded: false,
  isPrefix: false,
  ...more,
})

describe('a list', () => {
  test.each<[string, readonly Item[]]>([
    ['a', [item('a')]],
    ['a,b', [item('a'), item('b')]],
    ['a, b', [item('a'), item('b')]],
    [' a,b ', [item(' a'), item('b ')]],
    ['!a', [item('a', { isExcluded: true })]],
    ['!a,b', [item('a', { isExcluded: true }), item('b')]],
    ['a!b', [item('a!b')]],
    ['!!a', [item('!a', { isExcluded: true })]],
    ['a*', [item('a', { isPrefix: true })]],
    ['a*b', [item('a*b')]],
    ['a\\*', [item('a*')]],
    ['\\!a', [item('!a')]],
    ['a\\,b', [item('a,b')]],
    ['a\\b', [item('a\\b')]],
    ['a\\\\,b', [item('a\\'), item('b')]],
    ['a\\', [item('a\\')]],
    ['', [item('')]],
    ['a,', [item('a'), item('')]],
    ['!', [item('', { isExcluded: true })]],
    ['!*', [item('', { isExcluded: true, isPrefix: true })]],
  ])('%j', (text, items) => {
    expect(splitList(text)).toEqual(items)
  })

  test('is written so that it is read as the same, whatever the texts are', () => {
    const character = fc.constantFrom('a', 'b', ',', '!', '*', '\\', ' ')
    const text = fc.string({ unit: character, minLength: 1, maxLength: 6 })
    const items = fc.array(fc.record({ text, isExcluded: fc.boolean(), isPrefix: fc.boolean() }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(items, (list) => {
        expect(splitList(joinList(list, true))).toEqual(list)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the parts of a list', () => {
  const parts = (credential: string): string[] =>
    branchesOf(parseFilter({ credential, outcome: '!ok' })).map(({ terms }) =>
      (terms['credential']?.oneOf ?? []).map(({ kind, text }) => `${kind} ${text}`).join('|'),
    )

  test('are one for each value, and have no row twice', () => {
    expect(parts('a,b')).toEqual(['is a', 'is b'])
    expect(parts('a,a,orders-1,orders-*,orders-2*')).toEqual(['is a', 'begins orders-'])
    expect(parts('a,b,!c')).toEqual(['is a', 'is b'])
  })

  test('are not taken apart where they are too many', () => {
    const many = Array.from({ length: 9 }, (_, i) => `c${i}`).join(',')
    expect(parts(many)).toHaveLength(1)
    expect(parts('a')).toEqual(['is a'])
  })
})

describe('hours', () => {
  const at = (text: string): number => Date.parse(text) * 1000
  test.each<[string, string, boolean]>([
    ['08:00-18:00', '2026-11-26T08:00:00Z', true],
    ['08:00-18:00', '2026-11-26T07:59:59Z', false],
    ['08:00-18:00', '2026-11-26T18:00:00Z', false],
    ['!08:00-18:00', '2026-11-26T18:00:00Z', true],
    ['08:00-18:00 Europe/Berlin', '2026-11-26T07:30:00Z', true],
    ['08:00-18:00 Europe/Berlin', '2026-07-26T06:30:00Z', true],
    ['08:00-18:00 Europe/Berlin', '2026-11-26T06:30:00Z', false],
    ['mo-fr 08:00-18:00', '2026-11-28T12:00:00Z', false],
    ['!mo-fr 08:00-18:00', '2026-11-28T12:00:00Z', true],
    ['sa-mo 00:00-24:00', '2026-11-30T23:59:00Z', true],
    ['sa-mo 00:00-24:00', '2026-12-01T00:00:00Z', false],
    ['su 00:00-24:00', '2026-11-29T05:00:00Z', true],
    ['22:00-06:00', '2026-11-26T23:00:00Z', true],
    ['22:00-06:00', '2026-11-26T05:59:00Z', true],
    ['22:00-06:00', '2026-11-26T12:00:00Z', false],
  ])('%s has %s: %s', (text, time, isThere) => {
    const hours = parseHours(text)
    if (hours === undefined) throw new Error('these are hours')
    expect(isWithin(hours, at(time))).toBe(isThere)
    expect(parseHours(writtenHours(hours))).toEqual(hours)
  })
})
