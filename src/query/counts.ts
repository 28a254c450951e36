import { wallClock } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { accessCondition, DENIED } from './access.js'
import { Values } from './conditions.js'
import { parseFilter, type ResolvedFilter, type TrailFilter } from './filter.js'
import { type Histogram, histogramOf, type HistogramOptions, type HistogramRow, plan } from './histogram.js'
import { type Matrix, matrixOf, type MatrixOptions, type MatrixRow } from './matrix.js'
import { parseParameter } from './parameter.js'
import {
  checkBy,
  orderSql,
  type Summary,
  summaryOf,
  type SummaryOptions,
  type SummaryRow,
} from './summary.js'
import {
  type BurstOptions,
  type BurstRow,
  type Bursts,
  burstsOf,
  checkWho,
  LEAST,
  type ReversalOptions,
  type ReversalRow,
  type Reversals,
  reversalsOf,
  WITHIN,
  whoSql,
} from './suspicions.js'

const DAY_MS = 86_400_000
/** Of a summary that says no window. */
export const SUMMARY_WINDOW_MS = 30 * DAY_MS
const QUARTER_MS = 92 * DAY_MS

type Statement = 'histogram' | 'summary' | 'matrix' | 'bursts' | 'reversals'

/** What counting needs of a trail. */
export interface Counted {
  /** Runs a statement. */
  query<Row extends object>(
    statement: Statement,
    placeholders: Readonly<Record<string, string>>,
    values: Values,
  ): Promise<Row[]>
  /** SQL of the rows that a filter asks for. */
  matching(filter: ResolvedFilter, values: Values, by: string): Promise<string>
}

interface Asked {
  readonly resolved: ResolvedFilter
  readonly values: Values
  /** Of a statement over accesses. */
  readonly placeholders: Readonly<Record<'MATCHING' | 'ACCESS' | 'DENIED' | 'LIMIT', string>>
}

/** Counts rows in a window of time. Each reads what the window has, and the partitions of its months. */
export class Counts {
  readonly #trail: Counted

  constructor(trail: Counted) {
    this.#trail = trail
  }

  async histogram(filter: TrailFilter, options: HistogramOptions): Promise<Histogram> {
    const now = wallClock()
    const resolved = parseFilter(withoutCursor(filter), now, { windowMs: DAY_MS })
    const layout = plan(resolved, options, now)
    const values = new Values()
    const MATCHING = await this.#trail.matching(resolved, values, 'null')
    const placeholders = {
      FROM: values.add(layout.from, 'bigint'),
      WIDTH: values.add(layout.width, 'bigint'),
      MATCHING,
    }
    return histogramOf(layout, await this.#trail.query<HistogramRow>('histogram', placeholders, values))
  }

  async summary(filter: TrailFilter, options: SummaryOptions): Promise<Summary> {
    const by = checkBy(options.by)
    const ORDER = orderSql(options.order)
    const { resolved, placeholders, values } = await this.#asked(filter, SUMMARY_WINDOW_MS, by)
    const rows = await this.#trail.query<SummaryRow>('summary', { ...placeholders, ORDER }, values)
    return summaryOf(by, rows, resolved.limit)
  }

  async matrix(filter: TrailFilter, options: MatrixOptions): Promise<Matrix> {
    const by = checkBy(options.by)
    const across = checkBy(options.across ?? 'actor_id', 'across')
    const ORDER = orderSql(options.order)
    const { resolved, placeholders, values } = await this.#asked(
      filter,
      QUARTER_MS,
      `${across} as other, ${by}`,
    )
    const rows = await this.#trail.query<MatrixRow>('matrix', { ...placeholders, ORDER }, values)
    return matrixOf(by, across, rows, resolved.limit)
  }

  async bursts(filter: TrailFilter, options: BurstOptions): Promise<Bursts> {
    const by = checkWho(options.by)
    const within = parseParameter('within', WITHIN, options.within ?? WITHIN.default)
    const least = parseParameter('least', LEAST, options.least ?? LEAST.default)
    const { resolved, placeholders, values } = await this.#asked(filter, DAY_MS, whoSql(by))
    const bounds = { WITHIN: values.add(within, 'int'), LEAST: values.add(least, 'int') }
    const rows = await this.#trail.query<BurstRow>('bursts', { ...placeholders, ...bounds }, values)
    return burstsOf(by, rows, resolved.limit)
  }

  async reversals(filter: TrailFilter, options: ReversalOptions): Promise<Reversals> {
    const by = checkWho(options.by)
    const within = parseParameter('within', WITHIN, options.within ?? WITHIN.default)
    const { resolved, placeholders, values } = await this.#asked(filter, DAY_MS, whoSql(by))
    const bounds = { WITHIN: values.add(within, 'int') }
    const rows = await this.#trail.query<ReversalRow>('reversals', { ...placeholders, ...bounds }, values)
    return reversalsOf(by, rows, resolved.limit)
  }

  async #asked(filter: TrailFilter, windowMs: number, by: string): Promise<Asked> {
    const resolved = parseFilter(withoutCursor(filter), wallClock(), { windowMs })
    const values = new Values()
    const MATCHING = await this.#trail.matching(resolved, values, by)
    const LIMIT = String(resolved.limit + 1)
    return { resolved, values, placeholders: { MATCHING, ACCESS: accessCondition(resolved), DENIED, LIMIT } }
  }
}

/** @throws AuditError `AUDIT_INVALID_QUERY` for a filter with a cursor */
export function withoutCursor(filter: TrailFilter): TrailFilter {
  if (filter.cursor === undefined) return filter
  throw new AuditError('AUDIT_INVALID_QUERY', 'cursor applies to pages of rows only', { field: 'cursor' })
}
