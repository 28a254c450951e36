import type { HealthFinding } from '../contract/sink.js'

/** One thing that was looked at: fine when it has no finding. */
export interface Diagnosis {
  readonly check: string
  /** What was found to be so. */
  readonly state: string
  readonly findings: readonly HealthFinding[]
}
