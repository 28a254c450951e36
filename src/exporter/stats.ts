import type { AuditMetrics } from '../otel/metrics.js'

/**
 * How many events are where. At every moment
 * `emitted + spoolIn = written + droppedAsync + failedStrict + quarantined + pending + spoolOut`.
 */
export interface AuditStats {
  readonly emitted: number
  /** Came back from the spool, those that other processes left included. */
  readonly spoolIn: number
  /** In the spool, and not in memory any more. */
  readonly spoolOut: number
  readonly quarantined: number
  readonly written: number
  readonly droppedAsync: number
  readonly failedStrict: number
  /** Waiting or in flight. */
  readonly pending: number
}

export function statsOf(metrics: AuditMetrics, pending: number): AuditStats {
  return {
    emitted: metrics.total('records.emitted'),
    written: metrics.writes('written'),
    droppedAsync: metrics.writes('dropped_async'),
    failedStrict: metrics.writes('failed_strict'),
    pending,
    quarantined: metrics.total('records.quarantined'),
    spoolIn: metrics.total('spool.in'),
    spoolOut: metrics.total('spool.out'),
  }
}
