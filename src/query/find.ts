import { AuditError } from '../errors.js'
import type { Trust } from '../verify/trust.js'
import type { ChainHealth } from './chains.js'
import type { TrailRow } from './row.js'
import { parseDuration } from './time.js'

/** What can be looked for that no filter says, since it is about more than one row. */
export type FindPattern = 'first' | 'dormant' | 'not-enrolled'

export interface FindOptions {
  /** Of `dormant`: how long nobody has accessed a credential. Default: `90d`. */
  readonly unusedFor?: string | undefined
  /** Of `not-enrolled`: the enrolment keys and pinned chains of the operator. */
  readonly trust?: Trust | undefined
}

export interface FoundAccesses {
  readonly pattern: FindPattern
  /** `first` and `dormant`: the oldest first. `not-enrolled`: the newest first. */
  readonly rows: readonly TrailRow[]
  /** Whether there are more than `limit`. */
  readonly truncated: boolean
}

/** @throws AuditError `AUDIT_INVALID_QUERY` */
export function durationMs(text: string, field = 'for'): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw new AuditError('AUDIT_INVALID_QUERY', `${field} must be how long, such as 90d, 12h or 5m`, { field })
}

/** The chains that an enrolment key has signed, or that the trust file pins. */
export function vouchedFor(chains: readonly ChainHealth[], { heads = [] }: Trust): readonly string[] {
  const enrolled = chains.filter((chain) => chain.enrolled === true).map(({ chain_id }) => chain_id)
  return [...new Set([...enrolled, ...heads.map(({ chain }) => chain)])]
}

/** @throws AuditError `AUDIT_INVALID_QUERY` */
export function checkTrust(trust: Trust | undefined): Trust {
  if (trust !== undefined && (trust.enrolment.length > 0 || (trust.heads ?? []).length > 0)) return trust
  throw new AuditError(
    'AUDIT_INVALID_QUERY',
    'trust must be a trust file with an enrolment key, or with pinned chains: without one, none is known to be enrolled',
    { field: 'trust' },
  )
}
