import { clearTimeout, performance, setTimeout, wallClock } from '../host/globals.js'
import type { VerifiedCounts } from './verification.js'
import type { VerifyMetrics } from './verify-metrics.js'

export interface RoundsOptions<Result extends VerifiedCounts> {
  /** From the beginning of one round to that of the next, in ms. One that takes longer is followed by the next at once. */
  readonly everyMs: number
  readonly verify: () => Promise<Result>
  readonly metrics: VerifyMetrics
  /** What has to follow a verification: to say it, to record it. Where it throws the round has failed. */
  readonly onVerified: (verified: Result) => Promise<void>
  /** A round that could not be made. The next one is made all the same. */
  readonly onFailure: (error: unknown) => void
  /** Ends the rounds: at once, also inside of one. */
  readonly signal: AbortSignal
}

/** Verifies for ever. A database that cannot be reached is the failure of one round. Never rejects. */
export async function verifyInRounds<Result extends VerifiedCounts>(
  options: RoundsOptions<Result>,
): Promise<void> {
  const { everyMs, signal } = options
  const ended = aborted(signal)
  while (!signal.aborted) {
    const began = performance.now()
    await Promise.race([round(options), ended])
    const left = everyMs - (performance.now() - began)
    if (left > 0) await pause(left, ended)
  }
}

async function round<Result extends VerifiedCounts>({
  verify,
  metrics,
  onVerified,
  onFailure,
  signal,
}: RoundsOptions<Result>): Promise<void> {
  try {
    const verified = await verify()
    // Who has ended the rounds does not wait for it.
    if (signal.aborted) return
    metrics.verified(verified, wallClock())
    await onVerified(verified)
  } catch (error) {
    if (signal.aborted) return
    metrics.failed()
    onFailure(error)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** The longest that a timer can wait, in ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

async function pause(ms: number, ended: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS))
  })
  await Promise.race([passed, ended])
  clearTimeout(timer)
}
