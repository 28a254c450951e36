import { random as anyNumber } from '../host/globals.js'

/** First and longest pause between attempts, in ms. */
export const BACKOFF_FIRST_MS = 50
export const BACKOFF_LONGEST_MS = 2000

/** The pause before the next attempt: exponential, with full jitter over its upper half. */
export function backoffMs(attempt: number, random: () => number = anyNumber): number {
  const ceiling = Math.min(BACKOFF_LONGEST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16))
  return ceiling / 2 + random() * (ceiling / 2)
}
