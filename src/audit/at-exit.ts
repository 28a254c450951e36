import { diag } from '../host/diagnostics.js'

/** What tells how many events are held. */
interface Holding {
  stats(): { readonly pending: number }
}

const holding = new Set<Holding>()

/**
 * `process.exit`, an uncaught exception, and an end while the database is away leave no time to store anything: what is lost
 * by it is at least said. One listener for all pipelines of the process.
 */
export function sayAtExit(pipeline: Holding): void {
  if (holding.size === 0) process.on('exit', sayPending)
  holding.add(pipeline)
}

/** It was closed, and has said what it lost. */
export function nothingToSayAtExit(pipeline: Holding): void {
  if (holding.delete(pipeline) && holding.size === 0) process.off('exit', sayPending)
}

function sayPending(): void {
  for (const pipeline of holding) {
    const { pending } = pipeline.stats()
    if (pending === 0) continue
    diag.error(
      `otel-audit: the process ends, and ${pending} audit events are not stored, but for those that a spool has on disk`,
    )
  }
}
