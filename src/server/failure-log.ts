import { performance } from '../host/globals.js'
import { AuditError, type AuditErrorCode } from '../errors.js'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'

/** How long the same failure is not logged again, in ms: doubled each time that it is, while it goes on. */
const FIRST_PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 5 * 60_000
/** Different failures that are remembered. */
const MOST = 100

/** What requests fail with while the database is away, refuses the login, or is not the right one; and no single request is at fault. */
const OUTAGES: ReadonlySet<AuditErrorCode> = new Set([
  'AUDIT_READ_FAILED',
  'AUDIT_SCHEMA',
  'AUDIT_SESSION',
  'AUDIT_TIMEOUT',
  'AUDIT_TRAIL',
  'AUDIT_UNAVAILABLE',
])

/** What can be away for a while, with how its return is said. */
const AGAIN = Object.freeze({
  'a request failed': 'requests are answered again',
  'a read of the trail could not be recorded, and nothing was shown': 'reads are recorded again',
})
export type Interruption = keyof typeof AGAIN

interface Logged {
  readonly at: number
  readonly pauseMs: number
  omitted: number
}

interface Outage {
  readonly began: number
  requests: number
  isSaid: boolean
}

/**
 * Logs what failed: one line each, with its cause; the same line again only after pauses that grow, with how often it was
 * meanwhile. And that an outage is over, when one had been said.
 */
export class FailureLog {
  readonly #logged = new Map<string, Logged>()
  readonly #outages = new Map<string, Outage>()

  /** @param nowMs a clock that does not step back */
  failed(what: Interruption | (string & {}), error: unknown, nowMs: number = performance.now()): void {
    const line = `otel-audit: ${what}: ${causes(error)}`.replaceAll(/\s+/g, ' ')
    const outage = this.#outageOf(what, error, nowMs)
    const before = this.#logged.get(line)
    if (before !== undefined && nowMs - before.at < before.pauseMs) {
      before.omitted++
      return
    }
    // One that was not there for another pause had ended, and begins anew.
    const goesOn = before !== undefined && nowMs - before.at < 2 * before.pauseMs
    const pauseMs = goesOn ? Math.min(before.pauseMs * 2, LONGEST_PAUSE_MS) : FIRST_PAUSE_MS
    this.#logged.delete(line)
    this.#logged.set(line, { at: nowMs, pauseMs, omitted: 0 })
    for (const [oldest] of this.#logged) {
      if (this.#logged.size <= MOST) break
      this.#logged.delete(oldest)
    }
    if (outage !== undefined) outage.isSaid = true
    const omitted = before?.omitted ?? 0
    diag.error(omitted === 0 ? line : `${line} (and ${omitted} times more since)`)
  }

  /** That worked for which the database is needed. */
  worked(what: Interruption, nowMs: number = performance.now()): void {
    const outage = this.#outages.get(what)
    if (outage === undefined) return
    this.#outages.delete(what)
    if (!outage.isSaid) return
    const seconds = Math.ceil((nowMs - outage.began) / 1000)
    diag.warn(`otel-audit: ${AGAIN[what]}: ${outage.requests} had failed, within ${seconds} s`)
  }

  #outageOf(what: string, error: unknown, nowMs: number): Outage | undefined {
    if (!(error instanceof AuditError && OUTAGES.has(error.code) && Object.hasOwn(AGAIN, what)))
      return undefined
    const outage = this.#outages.get(what) ?? { began: nowMs, requests: 0, isSaid: false }
    outage.requests++
    this.#outages.set(what, outage)
    return outage
  }
}

/** An error with those that caused it, each once: the outer one may say what failed, and the inner one why. */
function causes(error: unknown): string {
  const texts: string[] = []
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const text = at instanceof AuditError ? `${at.code}: ${at.reason}` : errorText(at)
    if (text !== '' && !texts.some((told) => told.includes(text))) texts.push(text)
  }
  return texts.length === 0 ? errorText(error) : texts.join(': ')
}
