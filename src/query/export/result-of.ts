import { Outcome } from '../../event/vocabulary.js'

/** How an outcome reads elsewhere: other schemas know no more than this. */
export type Result = 'released' | 'denied' | 'failed' | 'not known' | 'a statement'

const DENIED: ReadonlySet<string> = new Set([
  Outcome.AccessDenied,
  Outcome.ResidencyViolation,
  Outcome.WrongRegion,
  Outcome.NoPubkey,
  Outcome.Withheld,
  // Of a read of the trail.
  'unauthenticated',
])

/** Nothing was asked for: the trail says something about itself. */
const STATEMENTS: ReadonlySet<string> = new Set([
  Outcome.Started,
  Outcome.Stopped,
  Outcome.ModeChanged,
  Outcome.Hooked,
  Outcome.NotHooked,
  Outcome.Wire,
  Outcome.Observed,
  Outcome.Lost,
])

/** An outcome of an application's own is a failure: what was released is `ok`. */
export function resultOf(outcome: string): Result {
  if (outcome === Outcome.Ok) return 'released'
  if (outcome === Outcome.Requested) return 'not known'
  if (STATEMENTS.has(outcome)) return 'a statement'
  return DENIED.has(outcome) ? 'denied' : 'failed'
}

/** An object without what is not known. */
export function known<Members extends Readonly<Record<string, unknown>>>(members: Members): Partial<Members> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<Members>
}
