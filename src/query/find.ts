import { AuditError } from '../errors.js'
import { JSON } from '../host/globals.js'
import type { Trust } from '../verify/trust.js'
import type { ChainHealth } from './chains.js'
import { rowJson, type TrailRow } from './row.js'
import { parseDuration } from './time.js'

/** What can be looked for that no filter says, since it is about more than one row. */
export const FIND_PATTERNS = Object.freeze([
  'first',
  'dormant',
  'denied-then-allowed',
  'not-enrolled',
] as const)

export type FindPattern = (typeof FIND_PATTERNS)[number]

export interface FindOptions {
  /** Of `dormant`: how long nobody has accessed a credential. Default: `90d`. */
  readonly unusedFor?: string | undefined
  /** Of `denied-then-allowed`: how long after the denial. Default: `5m`. */
  readonly within?: string | undefined
  /** Of `not-enrolled`: the enrolment keys and pinned chains of the operator. */
  readonly trust?: Trust | undefined
}

/** A row that was found; of `denied-then-allowed` the one that was allowed, with the denial before it. */
export interface FoundAccess extends TrailRow {
  readonly denied_audit_id?: string
  readonly denied_outcome?: string
  readonly denied_at?: string
}

export interface FoundAccesses {
  readonly pattern: FindPattern
  /** `first` and `dormant`: the oldest first. The others: the newest first. */
  readonly rows: readonly FoundAccess[]
  /** Whether there are more than `limit`. */
  readonly truncated: boolean
}

/** @throws AuditError `AUDIT_INVALID_QUERY` */
export function durationMs(name: 'unusedFor' | 'within', text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  const field = name === 'unusedFor' ? 'for' : 'within'
  throw new AuditError('AUDIT_INVALID_QUERY', `${field} must be how long, such as 90d, 12h or 5m`, { field })
}

/** Of `ChainHealth.chain_id`: the chains that an enrolment key has signed, or that the trust file pins. */
export function vouchedFor(chains: readonly ChainHealth[], { heads = [] }: Trust): readonly string[] {
  const pinned = heads.map(({ chain }) => chain)
  return [
    ...new Set([
      ...chains.filter(({ enrolled }) => enrolled === true).map(({ chain_id }) => chain_id),
      ...pinned,
    ]),
  ]
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

/** A row on one line, with what it was found by. */
export function foundJson(row: FoundAccess): string {
  const { denied_audit_id, denied_outcome, denied_at } = row
  if (denied_audit_id === undefined) return rowJson(row)
  return `${rowJson(row).slice(0, -1)},${JSON.stringify({ denied_audit_id, denied_outcome, denied_at }).slice(1)}`
}
