import { Outcome } from '../event/vocabulary.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { Entry } from './entry.js'
import type { OwnRows } from './own-rows.js'
import type { Settlement } from './settlement.js'
import type { Spooler } from './spooler.js'

const CLOSED_BEFORE = 'closed before it could be written'

/** Where what is left over can go. */
export interface LastResorts {
  readonly settlement: Settlement
  readonly metrics: AuditMetrics
  readonly ownRows: OwnRows
  readonly spooler: Spooler | undefined
}

/** The end of what could not be stored: the spool keeps it for the next process, or it is lost. */
export async function giveUp(
  entries: readonly Entry[],
  { settlement, metrics, ownRows, spooler }: LastResorts,
): Promise<void> {
  for (const entry of entries) {
    settlement.deny(entry, entry.doubt ?? { code: 'AUDIT_CLOSED', message: CLOSED_BEFORE })
  }
  // A secret that was refused must not appear as released later on.
  const keepable = entries.filter(
    ({ event, callerRefused }) => !(callerRefused && event.outcome === Outcome.Ok),
  )
  const lost = new Set(entries)
  if (spooler !== undefined) {
    const unkept = new Set(await spooler.keep(keepable))
    for (const entry of keepable) {
      if (unkept.has(entry)) continue
      lost.delete(entry)
      settlement.spooled(entry)
    }
  }
  for (const entry of lost) {
    metrics.count('shutdown.abandoned')
    settlement.dropped(entry, 'closed', entry.doubt?.message ?? CLOSED_BEFORE)
  }
  // The next process says what this one lost.
  await spooler?.keep(ownRows.stop())
}
