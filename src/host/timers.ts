import { clearTimeout, setTimeout } from './globals.js'
import { AuditError } from '../errors.js'

// Of the room's invariant: a time that Node cannot wait is refused when an object is made, and never met in a record.

/** The longest that a timer of Node waits, in ms. One that is set to more does not wait at all. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** @throws AuditError `AUDIT_INVALID_OPTION` unless `ms` is a number from `least` to `most` */
export function checkDuration(field: string, ms: unknown, least = 0, most = LONGEST_TIMER_MS): void {
  if (typeof ms === 'number' && ms >= least && ms <= most) return
  const limit = most === Infinity ? '' : `, and at most ${most}`
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    `${field} must be a number of ms that is at least ${least}${limit}; got ${String(ms)}`,
    { field },
  )
}

/** Waits for `work`, but at most `ms`. With `Infinity` as long as it takes. Rejects when `work` does in that time. */
export async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    const wait = (left: number): void => {
      const more = left - LONGEST_TIMER_MS
      timer = more > 0 ? setTimeout(wait, LONGEST_TIMER_MS, more) : setTimeout(resolve, left)
    }
    wait(ms)
  })
  try {
    await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
