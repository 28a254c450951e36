import { expect, test } from 'vitest'
import { backoffMs, BACKOFF_FIRST_MS, BACKOFF_LONGEST_MS, serverVerdict } from '../../src/exporter/backoff.js'

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

test('a whole code goes before its class, and a class that is not the server’s means the row', () => {
  expect(serverVerdict('23505')).toBe('duplicate')
  expect(serverVerdict('23514')).toBe('data')
  expect(serverVerdict('25006')).toBe('lasting')
  expect(serverVerdict('25P02')).toBe('retry')
  expect(serverVerdict('40P01')).toBe('retry')
  expect(serverVerdict('40003')).toBe('unknown')
  expect(serverVerdict('08006')).toBe('retry')
  expect(serverVerdict('08007')).toBe('unknown')
  expect(serverVerdict('ZZ999')).toBe('data')
})
