import { performance, wallClock } from '../host/globals.js'
import { snowflakeTime } from '../event/snowflake.js'
import { diag } from '../host/diagnostics.js'

/** How far ahead of the database's clock an id may be, in ms: a day, less what the estimate may be off. */
const MOST_AHEAD_MS = 24 * 3_600_000 - 60_000
/** How far the two clocks may be apart before that is said, in ms. */
const MOST_APART_MS = 60_000
/** How much that may change before it is said again, in ms. */
const SAID_AGAIN_MS = 60_000

/**
 * The clock of the store, as its answers tell it, and which ids it cannot store.
 *
 * It decides about ids only. What an event says about its time is sealed, and a server may lie about its clock as well:
 * where the two are apart, both are said.
 */
export class StoreClock {
  /** What to add to `performance.now()`. */
  #offset: number | undefined
  #saidApart = 0
  /** An id of this time was refused for being too old; all older ones would be. */
  #refusedUpTo = -Infinity

  /** @param unixMs the store's time in an answer that came just now. What is not a time is ignored */
  heard(unixMs: number): void {
    if (!Number.isFinite(unixMs) || unixMs <= 0) return
    this.#offset = unixMs - performance.now()
    const own = wallClock()
    const apart = unixMs - own
    if (Math.abs(apart) <= MOST_APART_MS) {
      this.#saidApart = 0
    } else if (this.#saidApart === 0 || Math.abs(apart - this.#saidApart) > SAID_AGAIN_MS) {
      this.#saidApart = apart
      diag.warn(
        `otel-audit: the clock of this process says ${timeText(own)}, that of the database ${timeText(unixMs)}: one of them is ` +
          'wrong. Events keep the time of this process; ids that the database could not store get its time',
      )
    }
  }

  /** Now, ms since the Unix epoch; undefined before its first answer. */
  now(): number | undefined {
    return this.#offset === undefined ? undefined : this.#offset + performance.now()
  }

  /** The row alone was refused, and its id may be why. @returns whether an id by the store's clock may do */
  refused(auditId: bigint): boolean {
    const now = this.now()
    if (now === undefined) return false
    const time = snowflakeTime(auditId)
    if (time < now) this.#refusedUpTo = Math.max(this.#refusedUpTo, time)
    return true
  }

  /** Whether an id is known not to be storable. */
  isUnstorable(auditId: bigint): boolean {
    const now = this.now()
    if (now === undefined) return false
    const time = snowflakeTime(auditId)
    return time > now + MOST_AHEAD_MS || time <= this.#refusedUpTo
  }
}

function timeText(unixMs: number): string {
  const date = new Date(unixMs)
  return Number.isNaN(date.getTime()) ? `${unixMs} ms since 1970` : date.toISOString()
}
