import { wallClock } from '../host/globals.js'
import { contained, diag } from '../host/diagnostics.js'
import type { AuditMetrics } from '../otel/metrics.js'
import type { SinkFault } from '../contract/sink.js'
import type { Callers } from './callers.js'
import type { Entry } from './entry.js'
import type { Fates } from './fates.js'
import type { Overflow } from './overflow.js'
import type { AuditQueue } from './queue.js'
import type { SelfReport } from './self-report.js'

const CLOSED_BEFORE = 'closed before it could be written'

/** What the end of an exporter is made of. */
interface Ending {
  readonly queue: AuditQueue
  readonly fates: Fates
  readonly callers: Callers
  readonly metrics: AuditMetrics
  readonly selfReport: SelfReport
  readonly overflow: Overflow
}

/** The end of what could not be stored: the spool keeps it for the next process, or it is lost. */
export async function giveUp({
  queue,
  fates,
  callers,
  metrics,
  selfReport,
  overflow,
}: Ending): Promise<void> {
  queue.drain()
  const entries = recovered(fates, callers)
  for (const entry of entries) {
    callers.refuse(entry, entry.doubt ?? { code: 'AUDIT_CLOSED', message: CLOSED_BEFORE })
  }
  // A secret that was refused must not appear as released later on.
  const keepable = entries.filter(({ isRelease, callerRefused }) => !(callerRefused && isRelease))
  const lost = new Set(entries)
  const unkept = new Set(await overflow.keep(keepable))
  for (const entry of keepable) {
    if (unkept.has(entry)) continue
    lost.delete(entry)
    fates.spooled(entry)
  }
  for (const entry of lost) {
    metrics.count('shutdown.abandoned')
    fates.dropped(entry, 'closed', entry.doubt?.message ?? CLOSED_BEFORE)
  }
  // The next process says what this one lost.
  await overflow.keep(selfReport.stop())
}

const LOST_TRACK: SinkFault = {
  code: 'AUDIT_TIMEOUT',
  message: 'a bug in otel-audit: the writer has ended, and it is not known whether the row is stored',
}

/** All that have no fate. When nothing writes any more all of them wait; others were lost track of by a mistake of ours. */
function recovered(fates: Fates, callers: Callers): readonly Entry[] {
  const astray = fates.unsettled().filter(({ phase }) => phase !== 'waiting')
  if (astray.length > 0) {
    diag.error(
      `otel-audit: a bug in otel-audit, please report it: lost track of ${astray.length} audit events`,
    )
  }
  for (const entry of astray) {
    contained('the end of an event', () => {
      if (entry.phase === 'committed') {
        callers.stored(entry, wallClock() * 1000)
      } else {
        entry.leaveInDoubt(LOST_TRACK)
        entry.to('waiting')
      }
    })
  }
  return fates.unsettled().filter(({ phase }) => phase === 'waiting')
}
