import type { AsyncResult } from './record-async.js'
import type { SpoolResult } from './spool.js'
import type { StrictResult } from './strict.js'
import type { VerifyResult } from './verification.js'

/** Everything that a run found. */
export interface Findings {
  readonly server: string
  readonly rounds: number
  readonly seconds: number
  /** What was not asked for is undefined. */
  readonly strict: StrictResult | undefined
  readonly untraced: StrictResult | undefined
  readonly async: AsyncResult | undefined
  readonly spool: SpoolResult | undefined
  readonly verification: VerifyResult | undefined
  /** Spans that the receiver of traces acknowledged, and that it did not. */
  readonly spans: { readonly exported: number; readonly failed: number }
}
