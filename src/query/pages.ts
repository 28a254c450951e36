import { AuditError } from '../errors.js'
import { wallClock } from '../host/globals.js'
import { branchesOf } from './branches.js'
import { conditions, FOREIGN, type Range, Values } from './conditions.js'
import type { Cursors } from './cursor.js'
import { parseFilter, type ResolvedFilter, type TrailFilter } from './filter.js'
import type { Marks } from './marks.js'
import type { Page } from './page.js'
import type { PartitionList } from './partition-list.js'
import { SELECT_COLUMNS, type TrailRow } from './row.js'
import type { Statements } from './statements.js'
import { isNarrow } from './term.js'

/** Rows that are read at once when a whole result is. */
const STREAM_ROWS = 500

type FoundRow = TrailRow & { readonly is_foreign?: boolean }

interface Found {
  readonly rows: FoundRow[]
  readonly isLast: boolean
}

/** Pages of rows, newest first: read backwards, in windows of ids, until a page is full. */
export class Pages {
  readonly #statements: Statements
  readonly #marks: Marks
  readonly #partitions: PartitionList
  readonly #cursors: Cursors

  constructor(statements: Statements, marks: Marks, partitions: PartitionList, cursors: Cursors) {
    this.#statements = statements
    this.#marks = marks
    this.#partitions = partitions
    this.#cursors = cursors
  }

  async first(filter: TrailFilter): Promise<Page> {
    const resolved = parseFilter(filter)
    return (await this.#pageOf(resolved, await this.rangeOf(resolved), resolved.limit)).page
  }

  async *all(filter: TrailFilter): AsyncGenerator<Page, void, void> {
    const resolved = parseFilter(filter)
    let range = await this.rangeOf(resolved)
    for (;;) {
      const { isLast, page } = await this.#pageOf(resolved, range, STREAM_ROWS)
      const last = page.rows.at(-1)
      yield page
      if (isLast || last === undefined) return
      range = { ...range, below: BigInt(last.audit_id) }
    }
  }

  async *added(
    filter: TrailFilter,
    since: bigint,
    until: bigint,
  ): AsyncGenerator<readonly TrailRow[], void, void> {
    const resolved = parseFilter(filter, wallClock(), { isBounded: true })
    const { foreign } = await this.#marks.store()
    for (const window of await this.#partitions.forwards()) {
      let above: bigint | undefined
      for (;;) {
        const values = new Values()
        const range: Range = { ...windowOf(resolved), ...window, mark: until, since, above, foreign }
        const { main, displaced } = conditions(resolved, range, values)
        const placeholders = {
          DIRECTION: 'asc',
          COLUMNS: SELECT_COLUMNS,
          WHERE: displaced === undefined ? main : `((${main}) or (${displaced}))`,
          LIMIT: String(STREAM_ROWS),
        }
        const rows = await this.#statements.query<TrailRow>('few', placeholders, values)
        if (rows.length > 0) yield rows
        if (rows.length < STREAM_ROWS) break
        above = BigInt(rows.at(-1)?.audit_id ?? 0)
      }
    }
  }

  /** What part of the trail a filter is about, its cursor and mark included. */
  async rangeOf(filter: ResolvedFilter): Promise<Range> {
    if (filter.cursor !== undefined) {
      const { auditId, ...range } = this.#cursors.read(filter.cursor, filter)
      return await this.#partitions.placed({ ...range, ...(await this.#marks.store()), below: auditId })
    }
    if (!filter.settled) return await this.#partitions.placed(windowOf(filter))
    const { foreign } = await this.#marks.store()
    const mark = await this.#marks.mark()
    if (filter.mark !== undefined && filter.mark > mark) {
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        `settled: ${filter.mark} is not a mark of this database, or not yet reached`,
        {
          field: 'settled',
        },
      )
    }
    return await this.#partitions.placed({ ...windowOf(filter), mark: filter.mark ?? mark, foreign })
  }

  async #pageOf(
    filter: ResolvedFilter,
    range: Range,
    limit: number,
  ): Promise<{ readonly page: Page; readonly isLast: boolean }> {
    const { rows: found, isLast } = await this.#read(filter, range, limit)
    const rows = found.map(withoutForeign)
    const last = rows.at(-1)
    const next_cursor = isLast || last === undefined ? null : this.#cursorAt(last, range, filter)
    const page = { rows, next_cursor, mark: range.mark?.toString() ?? null }
    if (range.mark === undefined) return { page, isLast }
    const foreign = found.filter((row) => row.is_foreign === true).length
    return { page: { ...page, foreign }, isLast }
  }

  /** A row that commits meanwhile, in a window that was read, is missed: as one is that commits after the page. */
  async #read(filter: ResolvedFilter, range: Range, limit: number): Promise<Found> {
    const rows: FoundRow[] = []
    const isIndexed = isNarrow(filter.terms['credential']) || isNarrow(filter.terms['execution_id'])
    for (const window of await this.#partitions.backwards(range, isIndexed)) {
      const part = { ...range, atLeast: window.atLeast, below: window.below ?? range.below }
      rows.push(...(await this.#readPart(filter, part, limit + 1 - rows.length)))
      if (rows.length > limit) break
    }
    return { rows: rows.slice(0, limit), isLast: rows.length <= limit }
  }

  async #readPart(filter: ResolvedFilter, range: Range, most: number): Promise<FoundRow[]> {
    const values = new Values()
    const settled = range.mark === undefined ? '' : `, ${range.foreign ?? FOREIGN} as is_foreign`
    const placeholders = {
      COLUMNS: `${SELECT_COLUMNS}${settled}`,
      DIRECTION: 'desc',
      LIMIT: String(most),
    }
    const parts: string[] = []
    for (const branch of branchesOf(filter)) {
      const { main, displaced } = conditions(branch, range, values)
      parts.push(await this.#statements.text('page', { ...placeholders, WHERE: main }))
      if (displaced !== undefined)
        parts.push(await this.#statements.text('few', { ...placeholders, WHERE: displaced }))
    }
    const [only = ''] = parts
    const text =
      parts.length === 1
        ? only
        : `select * from (${parts.map((part) => `(${part})`).join(' union all ')}) found
           order by audit_id desc limit ${most}`
    return this.#statements.run<FoundRow>(text, values)
  }

  #cursorAt(last: TrailRow, range: Range, filter: ResolvedFilter): string {
    const { mark, from, to } = range
    return this.#cursors.write({ auditId: BigInt(last.audit_id), mark, from, to }, filter)
  }
}

function withoutForeign(found: FoundRow): TrailRow {
  const row: TrailRow & { is_foreign?: boolean } = { ...found }
  delete row.is_foreign
  return row
}

function windowOf({ from, to }: ResolvedFilter): Range {
  return { from, to }
}
