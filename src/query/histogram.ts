import { AuditError } from '../errors.js'
import type { FilterField } from './filter-fields.js'
import type { ResolvedFilter } from './filter.js'
import { parseParameter } from './parameter.js'
import { formatTime } from '../event/time.js'

export const BUCKETS = Object.freeze({
  kind: 'integer',
  min: 1,
  max: 500,
  default: 60,
  doc: 'Approximate number of buckets; their width is rounded to a readable one.',
  example: '60',
} satisfies FilterField)

/** Widths that people read easily, in seconds. */
const WIDTHS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
  604_800, 1_209_600, 2_592_000,
]

export interface HistogramOptions {
  /** About how many buckets, 1 to 500. Default: 60. */
  readonly buckets?: number | undefined
}

/** Where the buckets are, in µs since the Unix epoch. */
export interface Layout {
  readonly from: number
  readonly to: number
  readonly width: number
  readonly count: number
}

export interface Bucket {
  /** Its beginning, RFC 3339. */
  readonly from: string
  readonly total: number
  /** How many rows had which outcome. */
  readonly outcomes: Readonly<Record<string, number>>
}

export interface Histogram {
  readonly from: string
  readonly to: string
  /** Width of a bucket, in seconds. */
  readonly bucket_seconds: number
  /** One after another without a gap; the first and the last may reach beyond the window. */
  readonly buckets: readonly Bucket[]
}

export interface HistogramRow {
  readonly bucket: string
  readonly outcome: string
  readonly accesses: string
}

/** Buckets of a readable width, on multiples of it. @throws AuditError `AUDIT_INVALID_QUERY` */
export function plan(
  { from = 0, to: until }: ResolvedFilter,
  options: HistogramOptions,
  nowMs: number,
): Layout {
  const buckets = parseParameter('buckets', BUCKETS, options.buckets ?? BUCKETS.default)
  const to = until ?? nowMs * 1000
  if (from >= to) throw new AuditError('AUDIT_INVALID_QUERY', 'from must be before to', { field: 'from' })
  const atLeast = (to - from) / 1_000_000 / buckets
  const seconds = WIDTHS_S.find((width) => width >= atLeast) ?? Math.ceil(atLeast / 86_400) * 86_400
  const width = seconds * 1_000_000
  const first = Math.floor(from / width) * width
  return { from: first, to, width, count: Math.ceil((to - first) / width) }
}

export function histogramOf({ from, to, width, count }: Layout, rows: readonly HistogramRow[]): Histogram {
  const outcomes = Array.from({ length: count }, () => new Map<string, number>())
  for (const { bucket, outcome, accesses } of rows) outcomes[Number(bucket)]?.set(outcome, Number(accesses))
  return {
    from: formatTime(from),
    to: formatTime(to),
    bucket_seconds: width / 1_000_000,
    buckets: outcomes.map((counts, i) => ({
      from: formatTime(from + i * width),
      total: [...counts.values()].reduce((sum, n) => sum + n, 0),
      outcomes: Object.fromEntries(counts),
    })),
  }
}
