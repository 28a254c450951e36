import { performance } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { diag } from '../host/diagnostics.js'
import { errorText } from '../host/error-text.js'

/** The same failure is logged once in this time, in ms. */
const QUIET_MS = 10_000
/** Different failures that are remembered. */
const MOST = 100

interface Logged {
  readonly at: number
  omitted: number
}

/** Logs what failed: one line each, with its cause; the same line again only after a while, with how often it was meanwhile. */
export class FailureLog {
  readonly #logged = new Map<string, Logged>()

  /** @param nowMs a clock that does not step back */
  failed(what: string, error: unknown, nowMs: number = performance.now()): void {
    const line = `otel-audit: ${what}: ${causes(error)}`.replaceAll(/\s+/g, ' ')
    const before = this.#logged.get(line)
    if (before !== undefined && nowMs - before.at < QUIET_MS) {
      before.omitted++
      return
    }
    this.#logged.delete(line)
    this.#logged.set(line, { at: nowMs, omitted: 0 })
    for (const [oldest] of this.#logged) {
      if (this.#logged.size <= MOST) break
      this.#logged.delete(oldest)
    }
    const again =
      before === undefined || before.omitted === 0 ? '' : ` (and ${before.omitted} times more since)`
    diag.error(line + again)
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
