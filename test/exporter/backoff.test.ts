import { expect, test } from 'vitest'
import { backoffMs, BACKOFF_FIRST_MS, BACKOFF_LONGEST_MS } from '../../src/exporter/backoff.js'

test('pauses double, up to the longest, with jitter over their upper half', () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 40, 10_000].map((attempt) => backoffMs(attempt, () => 1))
  expect(ceilings).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000, 2000])
  expect(backoffMs(0, () => 0)).toBe(BACKOFF_FIRST_MS / 2)
  expect(backoffMs(99, () => 0)).toBe(BACKOFF_LONGEST_MS / 2)
  for (let i = 0; i < 100; i++) {
    expect(backoffMs(2)).toBeGreaterThanOrEqual(100)
    expect(backoffMs(2)).toBeLessThanOrEqual(200)
  }
})
