import type { FilterField } from './filter-fields.js'
import { parseParameter } from './parameter.js'
import { formatTime } from '../event/time.js'

/** What accesses can be grouped by. */
export const SUMMARY_BY = Object.freeze([
  'credential',
  'operation',
  'actor_id',
  'worker_id',
  'execution_id',
  'source_address',
  'server_region',
  'service_name',
  'kek_version',
] as const)

export type SummaryBy = (typeof SUMMARY_BY)[number]

export const BY = Object.freeze({
  kind: 'choice',
  choices: SUMMARY_BY,
  doc: 'The column to group by.',
  example: 'credential',
} satisfies FilterField)

/** What comes first, as SQL has it. */
const ORDERS = Object.freeze({
  accesses: 'accesses desc',
  denials: 'denials desc, accesses desc',
  newest: 'first_access desc',
  oldest: 'first_access',
  recent: 'last_access desc',
  dormant: 'last_access',
  name: 'value',
})

export type SummaryOrder = keyof typeof ORDERS

export const ORDER = Object.freeze({
  kind: 'choice',
  choices: Object.freeze(Object.keys(ORDERS)) as readonly SummaryOrder[],
  doc: 'What comes first: the most accesses, the most denials, the latest first access (`newest`), the earliest one (`oldest`), the latest access (`recent`), the one that was not accessed for the longest time (`dormant`), or the name.',
  example: 'dormant',
} satisfies FilterField)

export interface SummaryOptions {
  /** What accesses are counted by. Default: `credential`. */
  readonly by?: SummaryBy | undefined
  /** What comes first. Default: `accesses`. */
  readonly order?: SummaryOrder | undefined
}

/** What became of one credential, of what one actor did, … in a window. */
export interface SummaryGroup {
  /** The credential, the actor, …; `null` where it is not known. */
  readonly value: string | null
  readonly accesses: number
  /** Accesses that did not end with `ok`. */
  readonly denials: number
  /** Distinct workers that are known. */
  readonly workers: number
  /** Distinct actors that are known. */
  readonly actors: number
  /** Distinct source addresses that are known. */
  readonly sources: number
  readonly first_access: string
  readonly last_access: string
}

export interface Summary {
  readonly by: SummaryBy
  /** As `order` says. */
  readonly groups: readonly SummaryGroup[]
  /** Whether there are more groups than `limit`. */
  readonly truncated: boolean
}

export type SummaryRow = Readonly<Record<Exclude<keyof SummaryGroup, 'value'>, string>> & {
  readonly value: string | null
}

/** @throws AuditError `AUDIT_INVALID_QUERY` for a column that cannot be grouped by */
export function checkBy(by: unknown = 'credential', name = 'by'): SummaryBy {
  return parseParameter(name, BY, by)
}

/** @throws AuditError `AUDIT_INVALID_QUERY` */
export function checkOrder(order: unknown = 'accesses'): SummaryOrder {
  return parseParameter('order', ORDER, order)
}

/** @returns SQL. @throws AuditError `AUDIT_INVALID_QUERY` */
export function orderSql(order?: unknown): string {
  return ORDERS[checkOrder(order)]
}

/** @param rows one more than `limit`, when there are more */
export function summaryOf(by: SummaryBy, rows: readonly SummaryRow[], limit: number): Summary {
  return {
    by,
    groups: rows.slice(0, limit).map((row) => ({
      value: row.value,
      accesses: Number(row.accesses),
      denials: Number(row.denials),
      workers: Number(row.workers),
      actors: Number(row.actors),
      sources: Number(row.sources),
      first_access: formatTime(Number(row.first_access)),
      last_access: formatTime(Number(row.last_access)),
    })),
    truncated: rows.length > limit,
  }
}
