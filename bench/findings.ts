import type { DrainResult } from './drain.js'
import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import type { Standing, Tracing } from './stand.js'
import type { VerifyResult } from './verification.js'
import type { Condition } from './condition.js'

/** Everything that a run found. What was not asked for is undefined, or not there. */
export interface Findings {
  readonly server: string
  readonly rounds: number
  readonly seconds: number
  /** Under which `stock`, `own` and `untraced` were measured. */
  readonly condition: Condition
  readonly strict: readonly Standing[]
  readonly async: AsyncResult | undefined
  readonly spool: SpoolResult | undefined
  readonly verification: VerifyResult | undefined
  readonly drain: DrainResult | undefined
  /** Spans that the receiver of traces acknowledged, and that it did not. */
  readonly spans: { readonly exported: number; readonly failed: number }
}

/** One comparison, if it was made. */
export function standing(
  { strict }: Findings,
  tracing: Tracing,
  { networkMs, flushMs }: Condition,
): Standing | undefined {
  return strict.find(
    ({ tracing: its, condition }) =>
      its === tracing && condition.networkMs === networkMs && condition.flushMs === flushMs,
  )
}

/** Events whose callers got a receipt, or that the spool took, and those of them that are not in the table. */
export function acknowledged({ strict, drain }: Findings): { count: number; missing: number } {
  return {
    count: strict.reduce((sum, { result }) => sum + result.acknowledged, drain?.rows ?? 0),
    missing: strict.reduce((sum, { result }) => sum + result.missing, drain?.missing ?? 0),
  }
}
