import { clearTimeout, setTimeout, wallClock } from '../host/globals.js'
import { type AuditEvent, type AuditFields, completeEvent, draftEvent } from '../event/event.js'
import type { SnowflakeGenerator } from '../event/snowflake.js'
import type { RecordContext } from '../contract/pipeline.js'
import { Ticket } from '../contract/ticket.js'
import { Entry, type EntryRole } from './entry.js'
import { type Gap, gapFields, withheldFields } from '../event/self-rows.js'
import type { Writer } from './writer.js'

/** How long losses are gathered for one gap row, in ms. */
const GAP_AFTER_MS = 1000

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

/** The rows that the trail writes about itself: lifecycle, gaps, and secrets that were withheld after all. */
export class SelfReport {
  readonly #ids: SnowflakeGenerator
  readonly #context: RecordContext
  readonly #gaps: GapLedger
  readonly #writer: Writer
  readonly #accept: (entry: Entry) => void
  #gapTimer: NodeJS.Timeout | undefined

  /**
   * @param context says who the rows are of; read for each of them
   * @param accept takes a row as any other event is taken. MUST NOT throw
   */
  constructor(
    ids: SnowflakeGenerator,
    context: RecordContext,
    gaps: GapLedger,
    writer: Writer,
    accept: (entry: Entry) => void,
  ) {
    this.#ids = ids
    this.#context = context
    this.#gaps = gaps
    this.#writer = writer
    this.#accept = accept
  }

  /** @returns the audit id */
  record(fields: AuditFields): bigint {
    const entry = this.#entry(fields)
    this.#accept(entry)
    return entry.event.auditId
  }

  /** The row says that a secret was released, and its caller was refused: a second row says so. */
  withhold(event: AuditEvent): void {
    this.#accept(this.#entry(withheldFields(event), OWN, event))
  }

  /** Says what was lost, now if rows get through: while the database is away a gap row would only be lost as well. */
  writeGaps(): void {
    if (this.#gaps.isEmpty || !this.#writer.isWriting()) return
    for (const { fields, restore } of this.#gaps.take()) {
      const onFate: EntryRole['onFate'] = (fate) => {
        if (fate === 'dropped') restore()
      }
      this.#accept(this.#entry(fields, { ...OWN, isToldAgain: true, onFate }))
    }
  }

  /** Says what was lost a little later, when more may have been lost for the same reason. */
  writeGapsSoon(): void {
    if (this.#gaps.isEmpty) return
    this.#gapTimer ??= setTimeout(() => {
      this.#gapTimer = undefined
      this.writeGaps()
    }, GAP_AFTER_MS).unref()
  }

  /** What is still to be said at the end, for whoever can keep it. */
  stop(): Entry[] {
    clearTimeout(this.#gapTimer)
    return this.#gaps.take().map(({ fields }) => this.#entry(fields))
  }

  #entry(fields: AuditFields, role: EntryRole = OWN, of?: AuditEvent): Entry {
    const now = wallClock()
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(
      completeEvent(draftEvent(fields), {
        ...this.#context.identity,
        auditId: this.#ids.next(now),
        occurredAt: now * 1000,
        traceId: of?.traceId ?? undefined,
        spanId: of?.spanId ?? undefined,
      }),
    )
    return new Entry(ticket, role)
  }
}

const OWN: EntryRole = Object.freeze({ isOwn: true })
