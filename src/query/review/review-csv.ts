import { csvCell } from '../csv.js'
import type { ReviewedPair } from './access-review.js'

const COLUMNS = [
  'credential',
  'actor',
  'actor_kind',
  'standing',
  'credential_standing',
  'accesses',
  'denied',
  'first_access',
  'last_access',
  'last_before',
] as const satisfies readonly (keyof ReviewedPair)[]

/** The pairs of a review as CSV (RFC 4180), nothing of which a spreadsheet executes. */
export function reviewCsv(pairs: readonly ReviewedPair[]): string {
  const lines = pairs.map((pair) =>
    COLUMNS.map((column) => {
      const value = pair[column]
      return csvCell(value === null ? null : String(value))
    }).join(','),
  )
  return [COLUMNS.join(','), ...lines, ''].join('\r\n')
}
