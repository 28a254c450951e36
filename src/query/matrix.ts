import { formatTime } from '../event/time.js'
import type { FilterField } from './filter-fields.js'
import { BY, type SummaryBy, type SummaryGroup, type SummaryOrder } from './summary.js'

export const ACROSS = Object.freeze({
  ...BY,
  doc: 'The other column to group by.',
  example: 'actor_id',
} satisfies FilterField)

export interface MatrixOptions {
  /** Default: `credential`. */
  readonly by?: SummaryBy | undefined
  /** Default: `actor_id`. */
  readonly across?: SummaryBy | undefined
  /** What comes first. Default: `accesses`. */
  readonly order?: SummaryOrder | undefined
}

/** What one did with another in a window: an actor with a credential. */
export interface MatrixCell
  extends Pick<SummaryGroup, 'accesses' | 'denials' | 'first_access' | 'last_access'> {
  /** Of `by`; `null` where it is not known. */
  readonly value: string | null
  /** Of `across`; `null` where it is not known. */
  readonly other: string | null
}

export interface Matrix {
  readonly by: SummaryBy
  readonly across: SummaryBy
  /** Only those with an access, as `order` says. */
  readonly cells: readonly MatrixCell[]
  /** Whether there are more cells than `limit`. */
  readonly truncated: boolean
}

export type MatrixRow = Readonly<Record<'accesses' | 'denials' | 'first_access' | 'last_access', string>> &
  Pick<MatrixCell, 'value' | 'other'>

/** @param rows one more than `limit`, when there are more */
export function matrixOf(
  by: SummaryBy,
  across: SummaryBy,
  rows: readonly MatrixRow[],
  limit: number,
): Matrix {
  return {
    by,
    across,
    cells: rows.slice(0, limit).map(({ value, other, accesses, denials, first_access, last_access }) => ({
      value,
      other,
      accesses: Number(accesses),
      denials: Number(denials),
      first_access: formatTime(Number(first_access)),
      last_access: formatTime(Number(last_access)),
    })),
    truncated: rows.length > limit,
  }
}
