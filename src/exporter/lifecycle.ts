import type { AuditAttributes } from '../event/attributes.js'
import type { AuditFields } from '../event/event.js'
import { Operation, type Outcome } from '../event/vocabulary.js'
import type { StrictPolicy } from '../service/mode.js'
import { TRAIL_CREDENTIAL } from './gap.js'

/** A row of the pipeline about itself: that it started or stopped, or which records are strict from now on. */
export function lifecycleRow(outcome: Outcome, attributes: AuditAttributes): AuditFields {
  return {
    credential: TRAIL_CREDENTIAL,
    operation: Operation.AuditLifecycle,
    outcome,
    actorType: 'system',
    attributes,
  }
}

/** The mode as those rows name it. */
export function modeName(strict: boolean | StrictPolicy): string {
  if (typeof strict === 'function') return 'policy'
  return strict ? 'strict' : 'async'
}
