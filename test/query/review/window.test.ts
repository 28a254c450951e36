import { describe, expect, test } from 'vitest'
import { reviewWindow } from '../../../src/query/review/window.js'

const NOW = Date.UTC(2026, 9, 5, 12)
const iso = (micros: number): string => new Date(micros / 1000).toISOString()

describe('the window of a review', () => {
  test.each([
    ['2026Q1', '2026-01-01', '2026-04-01'],
    ['2026Q3', '2026-07-01', '2026-10-01'],
    ['2026-q4', '2026-10-01', '2027-01-01'],
  ])('%s is a quarter of the calendar, in UTC', (quarter, from, to) => {
    const window = reviewWindow({ quarter }, NOW)
    expect([iso(window.from), iso(window.to)]).toEqual([`${from}T00:00:00.000Z`, `${to}T00:00:00.000Z`])
    expect(window.label).toBe(quarter.replace('-', '').toUpperCase())
  })

  test('or begins and ends when it is said, and ends now unless it is', () => {
    expect(reviewWindow({ from: '2026-07-01', to: '2026-08-01' }, NOW).label).toBe('2026-07-01-to-2026-07-31')
    const { from, to } = reviewWindow({ from: '-90d' }, NOW)
    expect([from, to]).toEqual([(NOW - 90 * 86_400_000) * 1000, NOW * 1000])
  })

  test.each([
    [{}, 'from'],
    [{ quarter: '2026Q5' }, 'quarter'],
    [{ quarter: '26Q1' }, 'quarter'],
    [{ quarter: '9999Q1' }, 'quarter'],
    [{ quarter: '2026Q3', from: '-1d' }, 'quarter'],
    [{ from: 'yesterday' }, 'from'],
    [{ from: '-1d', to: 'tomorrow' }, 'to'],
    [{ from: '-1d', to: '-2d' }, 'from'],
  ])('is refused by name: %j', (given, field) => {
    expect(() => reviewWindow(given, NOW)).toThrow(
      expect.objectContaining({ code: 'AUDIT_INVALID_QUERY', field }),
    )
  })
})
