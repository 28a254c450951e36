import { expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { durationMs } from '../../src/watch/duration.js'
import { verifyInRounds } from '../../src/watch/rounds.js'
import type { VerifiedCounts } from '../../src/watch/verification.js'
import { VerifyMetrics } from '../../src/watch/verify-metrics.js'

const CLEAN: VerifiedCounts = { findings: 0, rows: 3, seconds: 1, isSuccess: true }

/** What happened, in its order, until the rounds were ended after so many. */
async function rounds(
  results: readonly (VerifiedCounts | Error)[],
  onVerified: (verified: VerifiedCounts) => Promise<void> = () => Promise.resolve(),
): Promise<readonly unknown[]> {
  const stop = new AbortController()
  const said: unknown[] = []
  let made = 0
  await verifyInRounds({
    everyMs: 1,
    metrics: new VerifyMetrics(),
    signal: stop.signal,
    verify: async () => {
      const result = results[made++]
      if (result instanceof Error) throw result
      if (result !== undefined) return result
      stop.abort()
      throw new Error('after the end')
    },
    onVerified: async (verified) => {
      said.push(verified)
      await onVerified(verified)
    },
    onFailure: (error) => said.push((error as Error).message),
  })
  return said
}

test('a round that fails is said, and the next one is made', async () => {
  const away = new AuditError('AUDIT_UNAVAILABLE', 'the trail cannot be read')
  expect(await rounds([CLEAN, away, CLEAN])).toEqual([CLEAN, away.message, CLEAN])
})

test('what cannot be recorded is a failure of its round', async () => {
  const said = await rounds([CLEAN, CLEAN], () => Promise.reject(new Error('not written')))
  expect(said).toEqual([CLEAN, 'not written', CLEAN, 'not written'])
})

test('the end does not wait for a round, nor for the next one', async () => {
  const stop = new AbortController()
  const ended = verifyInRounds({
    everyMs: 3_600_000,
    metrics: new VerifyMetrics(),
    signal: stop.signal,
    verify: () => new Promise<VerifiedCounts>(() => stop.abort()),
    onVerified: () => Promise.resolve(),
    onFailure: () => {},
  })
  await ended
  const waiting = new AbortController()
  await verifyInRounds({
    everyMs: 2 ** 40,
    metrics: new VerifyMetrics(),
    signal: waiting.signal,
    verify: () => Promise.resolve(CLEAN),
    onVerified: async () => queueMicrotask(() => setTimeout(() => waiting.abort(), 1)),
    onFailure: () => {},
  })
})

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h', 3_600_000],
  ['30d', 2_592_000_000],
  ['4w', 2_419_200_000],
])('%s is %i ms', (text, ms) => expect(durationMs(text, 'watch')).toBe(ms))

test.each(['', '0h', '1', '-1h', '1.5h', '1 h', '1y', '1000000s', 'h'])(
  '%j is not a length of time',
  (text) => {
    expect(() => durationMs(text, 'watch')).toThrow(/AUDIT_INVALID_OPTION: watch must be a number of/)
  },
)
