import type { AuditSink } from '../../contract/sink.js'
import { DurableAuditExporter, type DurableAuditExporterOptions } from '../../exporter/exporter.js'
import type { Spool } from '../../spool/spool.js'

export interface DrainOptions extends Omit<DurableAuditExporterOptions, 'sink' | 'lingerMs'> {
  /** How long nothing may get through before the rest is left where it is, in ms. */
  readonly patienceMs: number
  /** Told several times a second. */
  readonly onProgress: (drained: Drained) => void
}

export interface Drained {
  /** Events that are in the trail now, those that were there already included. */
  readonly stored: number
  /** Events that the database refuses, and that were set aside. */
  readonly quarantined: number
  /** Events that still wait in the spool. */
  readonly left: number
  /** Why the database could not write last. */
  readonly fault: string | undefined
}

const LOOK_EVERY_MS = 100

/**
 * Stores everything that waits in a spool: an exporter that nobody records with. Closes spool and sink.
 *
 * An entry leaves the disk only when its row is committed, so it may be ended at any moment, and run again.
 */
export async function drainSpool(spool: Spool, sink: AuditSink, options: DrainOptions): Promise<Drained> {
  const { patienceMs, onProgress, ...bounds } = options
  const exporter = new DurableAuditExporter({ ...bounds, sink, lingerMs: 0 })
  const settled = { stored: 0, quarantined: 0 }
  exporter.onSettled((_, fate) => {
    if (fate === 'stored' || fate === 'quarantined') settled[fate]++
  })
  const drained = (): Drained => ({
    ...settled,
    left: spool.status.entries,
    fault: exporter.lastFault?.message,
  })
  exporter.attachSpool(spool, 'overflow')
  for (let since = performance.now(), left = drained().left; left > 0; ) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    const now = drained()
    onProgress(now)
    if (now.left !== left) {
      since = performance.now()
      left = now.left
    } else if (performance.now() - since > patienceMs) break
  }
  const last = drained()
  await exporter.close(last.left > 0 ? 0 : patienceMs)
  return { ...drained(), fault: last.fault }
}
