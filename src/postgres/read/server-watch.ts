import { isServerError } from '../faults.js'
import { openSession, type SessionTarget } from '../session.js'
import type { ServerWatch } from './copy-out.js'

/** After how long without a byte of a COPY, in ms, the server is asked on another connection. */
const ASK_AFTER_MS = 20_000

/** Whether the server lets somebody in, or at least says why not: one that hangs does neither. */
export function watchOf(target: SessionTarget): ServerWatch {
  return {
    everyMs: ASK_AFTER_MS,
    async isThere() {
      try {
        await (await openSession('verify', target)).close()
        return true
      } catch (error) {
        return isServerError(error)
      }
    },
  }
}
