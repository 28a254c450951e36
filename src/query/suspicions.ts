import { formatTime } from '../event/time.js'
import type { FilterField } from './filter-fields.js'
import { parseParameter } from './parameter.js'
import { SUMMARY_BY, type SummaryBy } from './summary.js'

/** Who or what it is that is denied: an actor, else the worker, else the address; or one column. */
const WHO = 'who'
const WHO_CHOICES = Object.freeze([WHO, ...SUMMARY_BY] as const)

export type Who = (typeof WHO_CHOICES)[number]

export const WHOSE = Object.freeze({
  kind: 'choice',
  choices: WHO_CHOICES,
  doc: 'Whose denials are put together: `who` is the actor, else the worker, else the source address.',
  example: 'who',
} satisfies FilterField)

export const WITHIN = Object.freeze({
  kind: 'integer',
  min: 1,
  max: 86_400,
  default: 300,
  doc: 'Seconds between one and the next.',
  example: '300',
} satisfies FilterField)

export const LEAST = Object.freeze({
  kind: 'integer',
  min: 2,
  max: 1_000_000,
  default: 5,
  doc: 'Fewest denials of a burst.',
  example: '5',
} satisfies FilterField)

export interface BurstOptions {
  /** Default: `who`. */
  readonly by?: Who | undefined
  /** Most seconds between one denial and the next of the same burst, 1 to 86,400. Default: 300. */
  readonly within?: number | string | undefined
  /** Default: 5. */
  readonly least?: number | string | undefined
}

/** Denials that followed each other. */
export interface Burst {
  readonly value: string | null
  readonly denials: number
  /** Distinct credentials. */
  readonly credentials: number
  /** Distinct source addresses that are known. */
  readonly sources: number
  readonly outcomes: readonly string[]
  readonly began: string
  readonly ended: string
}

export interface Bursts {
  readonly by: Who
  /** The largest first. */
  readonly bursts: readonly Burst[]
  /** Whether there are more bursts than `limit`. */
  readonly truncated: boolean
}

export type BurstRow = Readonly<
  Record<'denials' | 'credentials' | 'sources' | 'outcomes' | 'began' | 'ended', string>
> &
  Pick<Burst, 'value'>

export type ReversalOptions = Pick<BurstOptions, 'by' | 'within'>

/** An access that was granted, right after the same one had been denied. */
export interface Reversal {
  readonly credential: string
  /** Whose access it was. */
  readonly value: string | null
  readonly denied_outcome: string
  readonly denied_id: string
  readonly denied: string
  readonly allowed_id: string
  readonly allowed: string
}

export interface Reversals {
  readonly by: Who
  /** The latest first. */
  readonly reversals: readonly Reversal[]
  readonly truncated: boolean
}

export type ReversalRow = Reversal

/** @throws AuditError `AUDIT_INVALID_QUERY` */
export function checkWho(by: unknown = WHO): Who {
  return parseParameter('by', WHOSE, by)
}

/** @returns SQL */
export function whoSql(by: Who | SummaryBy): string {
  return by === WHO ? 'coalesce(actor_id, worker_id, source_address)' : by
}

/** @param rows one more than `limit`, when there are more */
export function burstsOf(by: Who, rows: readonly BurstRow[], limit: number): Bursts {
  return {
    by,
    bursts: rows.slice(0, limit).map((row) => ({
      value: row.value,
      denials: Number(row.denials),
      credentials: Number(row.credentials),
      sources: Number(row.sources),
      outcomes: row.outcomes.split(','),
      began: formatTime(Number(row.began)),
      ended: formatTime(Number(row.ended)),
    })),
    truncated: rows.length > limit,
  }
}

/** @param rows one more than `limit`, when there are more */
export function reversalsOf(by: Who, rows: readonly ReversalRow[], limit: number): Reversals {
  return {
    by,
    reversals: rows.slice(0, limit).map((row) => ({
      ...row,
      denied: formatTime(Number(row.denied)),
      allowed: formatTime(Number(row.allowed)),
    })),
    truncated: rows.length > limit,
  }
}
