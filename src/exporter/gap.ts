import type { AuditFields } from '../event/event.js'
import { type Gap, gapFields } from '../event/self-rows.js'

/**
 * Remembers what was lost, until a row of the trail says it.
 *
 * Losses with the same reason become one row: operation `audit_gap`, outcome `lost`, with `count`, the smallest and
 * largest audit id, and the reason. A gap row that is lost itself gives its losses back.
 */
export class GapLedger {
  readonly #gaps = new Map<string, Gap>()
  #lost = 0

  /** How many events were lost so far, whether a row says so or not. */
  get lost(): number {
    return this.#lost
  }

  get isEmpty(): boolean {
    return this.#gaps.size === 0
  }

  note(auditId: bigint, reason: string): void {
    this.#lost++
    this.#add(reason, { count: 1, first: auditId, last: auditId })
  }

  /** The rows to write, each with what puts its losses back. Takes them out of the ledger. */
  take(): readonly { readonly fields: AuditFields; readonly restore: () => void }[] {
    const taken = [...this.#gaps].map(([reason, gap]) => ({
      fields: gapFields(reason, gap),
      restore: () => this.#add(reason, gap),
    }))
    this.#gaps.clear()
    return taken
  }

  #add(reason: string, { count, first, last }: Gap): void {
    const gap = this.#gaps.get(reason)
    if (gap === undefined) {
      this.#gaps.set(reason, { count, first, last })
      return
    }
    gap.count += count
    if (first < gap.first) gap.first = first
    if (last > gap.last) gap.last = last
  }
}
