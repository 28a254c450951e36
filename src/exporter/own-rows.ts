import { type AuditEvent, type AuditFields, completeEvent, draftEvent } from '../event/event.js'
import { withheldFields } from '../event/self-rows.js'
import type { SnowflakeGenerator } from '../event/snowflake.js'
import type { ServiceIdentity } from '../contract/pipeline.js'
import { Ticket } from '../contract/ticket.js'
import { Entry } from './entry.js'
import type { GapLedger } from './gap.js'

/** How long losses are gathered for one gap row, in ms. */
const GAP_AFTER_MS = 1000

/** What the rows need of the exporter that they are rows of. */
export interface OwnRowsHost {
  readonly ids: SnowflakeGenerator
  readonly identity: ServiceIdentity
  /** Whether rows get through: while the database is away a gap row would only be lost as well. */
  readonly isWriting: boolean
  accept(entry: Entry): void
}

/** The rows that the trail writes about itself: lifecycle, gaps, and secrets that were withheld after all. */
export class OwnRows {
  readonly #host: OwnRowsHost
  readonly #gaps: GapLedger
  #gapTimer: NodeJS.Timeout | undefined

  constructor(host: OwnRowsHost, gaps: GapLedger) {
    this.#host = host
    this.#gaps = gaps
  }

  /** @returns the audit id */
  record(fields: AuditFields): bigint {
    return this.#accept(this.#entry(fields))
  }

  /** The row says that a secret was released, and its caller was refused: a second row says so. */
  withhold(event: AuditEvent): void {
    this.#accept(this.#entry(withheldFields(event), event))
  }

  /** Says what was lost, now if rows get through. */
  writeGaps(): void {
    if (this.#gaps.isEmpty || !this.#host.isWriting) return
    for (const { fields, restore } of this.#gaps.take()) {
      const entry = this.#entry(fields)
      entry.isToldAgain = true
      entry.onFate = (fate) => {
        if (fate === 'dropped') restore()
      }
      this.#accept(entry)
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

  #accept(entry: Entry): bigint {
    this.#host.accept(entry)
    return entry.event.auditId
  }

  #entry(fields: AuditFields, of?: AuditEvent): Entry {
    const { ids, identity } = this.#host
    const now = Date.now()
    const ticket = new Ticket('async', 0, 0)
    ticket.seal(
      completeEvent(draftEvent(fields), {
        ...identity,
        auditId: ids.next(now),
        occurredAt: now * 1000,
        traceId: of?.traceId ?? undefined,
        spanId: of?.spanId ?? undefined,
      }),
    )
    return new Entry(ticket, true)
  }
}
