import { isIPv6 } from 'node:net'
import { diag } from '../host/diagnostics.js'
import { refusedReadFields } from '../event/self-rows.js'
import type { SecretAuditService } from '../service/service.js'
import type { ServerMetrics } from './metrics.js'
import { Problem } from './problem.js'
import { RateLimiter } from './rate-limit.js'

/** Refusals of one address that are told why, at once and then per second. */
const TOLD = Object.freeze({ burst: 20, perSecond: 1 })
/** Refusals of one address within this time are one burst, in ms. */
const BURST_MS = 60_000
/** Addresses that get a row of their own in that time. All others share one: the trail is append-only, and strangers must not fill it. */
const MOST_ROWS = 10
const OTHERS = ''

interface Burst {
  readonly beganAt: number
  /** Since the last row. */
  count: number
}

/**
 * Reads that were refused for want of a valid token: counted, slowed down per address, and one row of the trail for each
 * burst.
 *
 * Only what is refused is slowed down: a reader behind the same proxy as somebody who tries tokens goes on reading.
 */
export class Refusals {
  readonly #audit: Pick<SecretAuditService, 'recordAsync'>
  readonly #metrics: ServerMetrics
  readonly #told = new RateLimiter(TOLD)
  readonly #bursts = new Map<string, Burst>()

  constructor(audit: Pick<SecretAuditService, 'recordAsync'>, metrics: ServerMetrics) {
    this.#audit = audit
    this.#metrics = metrics
  }

  /**
   * Notes a refusal.
   *
   * @param address of the connection
   * @param nowMs a clock that does not step back
   * @returns what to answer: the refusal itself, or 429 when there were too many
   */
  note(refusal: Problem, address: string | undefined, nowMs: number): Problem {
    const { status } = refusal.document
    this.#metrics.readRefused(status)
    this.#record(status, address, nowMs)
    const wait = this.#told.take(networkOf(address ?? 'unknown'), nowMs)
    if (wait === 0) return refusal
    return new Problem(429, 'Too many requests of this address were refused.', {
      headers: { 'retry-after': String(wait) },
    })
  }

  #record(status: number, address: string | undefined, nowMs: number): void {
    for (const [key, { beganAt, count }] of this.#bursts) {
      // One that still has refusals to tell of waits for the next, which tells of them.
      if (nowMs - beganAt >= BURST_MS && count === 0) this.#bursts.delete(key)
    }
    const own = networkOf(address ?? 'unknown')
    const recent = [...this.#bursts.values()].filter(({ beganAt }) => nowMs - beganAt < BURST_MS).length
    const key = this.#bursts.has(own) || recent < MOST_ROWS ? own : OTHERS
    const burst = this.#bursts.get(key)
    if (burst !== undefined && nowMs - burst.beganAt < BURST_MS) {
      burst.count++
      return
    }
    this.#bursts.delete(key)
    this.#bursts.set(key, { beganAt: nowMs, count: 0 })
    for (const [oldest] of this.#bursts) {
      if (this.#bursts.size <= MOST_REMEMBERED) break
      this.#bursts.delete(oldest)
    }
    const sourceAddress = key === OTHERS ? undefined : address
    try {
      this.#audit.recordAsync(refusedReadFields({ status, sourceAddress, refused: (burst?.count ?? 0) + 1 }))
    } catch (error) {
      diag.error('otel-audit: reads that were refused could not be recorded', error)
    }
  }
}

const MOST_REMEMBERED = 1000

/** Whoever has an IPv6 address has the 2^64 beside it. */
function networkOf(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (v4 !== undefined) return v4
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
  return groups.slice(0, 4).join(':')
}
