import type { TrailRow } from './row.js'

export interface Page {
  /** Newest first: descending `audit_id`. */
  readonly rows: readonly TrailRow[]
  /** Where the next page begins; `null` after the last. */
  readonly next_cursor: string | null
  /** With `settled`: the mark that fixes the set of rows. `settled=<mark>` is the same set again. Else `null`. */
  readonly mark: string | null
  /** With `settled`: how many of the rows are foreign, which no mark says anything about. */
  readonly foreign?: number | undefined
}
