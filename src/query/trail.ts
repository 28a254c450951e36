import { wallClock } from '../host/globals.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { AuditError } from '../errors.js'
import { checkInteger, checkText, checkTextOrSource } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { checkDuration } from '../host/timers.js'
import { BLOCK_COLUMNS, blockOfRow, boundedBlockSelect } from '../postgres/block-row.js'
import { type Place, placeOfTable } from '../postgres/place.js'
import { checkSchemaName, DEFAULT_SCHEMA } from '../postgres/schema-name.js'
import { checkTrailId } from '../postgres/trail-identity.js'
import { readSql, renderSql } from '../postgres/sql-text.js'
import { accessCondition } from './access.js'
import { branchesOf } from './branches.js'
import { type ChainBlocks, type Chains, chainsOf, type ChainsOptions } from './chains.js'
import { conditions, FOREIGN, type Range, Values } from './conditions.js'
import {
  AT,
  coverageOf,
  type CoverageOptions,
  type CoverageRow,
  type FleetCoverage,
  STATED_WITHIN_MS,
} from './coverage.js'
import { cursorKey, Cursors } from './cursor.js'
import { Counts, withoutCursor } from './counts.js'
import { parseFilter, type ResolvedFilter, type TrailFilter } from './filter.js'
import {
  checkTrust,
  durationMs,
  type FindOptions,
  type FindPattern,
  type FoundAccesses,
  vouchedFor,
} from './find.js'
import type { Histogram, HistogramOptions } from './histogram.js'
import type { Matrix, MatrixOptions } from './matrix.js'
import { parseParameter } from './parameter.js'
import { parseTime } from './time.js'
import { Reader } from '../postgres/read/pool.js'
import { SELECT_COLUMNS, type TrailRow } from './row.js'
import type { Trust } from '../verify/trust.js'
import { type StoredBlock, storedBlock } from './stored-block.js'
import type { Summary, SummaryOptions } from './summary.js'
import type { BurstOptions, Bursts, ReversalOptions, Reversals } from './suspicions.js'

export interface TrailOptions {
  /** `postgres://…`, as a login with the reader role. */
  readonly databaseUrl: DatabaseUrl
  /** Default: `noetl`. */
  readonly schema?: string | undefined
  /**
   * Identities of the trail, 32 hex digits each, as a trust file has them: with any other one nothing is read
   * (`AUDIT_TRAIL`). Default: whichever is there.
   */
  readonly trails?: readonly string[] | undefined
  /** How long one statement may take, in ms. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /** Most connections at once. Default: 4. */
  readonly connections?: number | undefined
  /**
   * What cursors are authenticated with. Cursors of one process are understood by another that has the same. Default:
   * a random one.
   */
  readonly cursorKey?: string | undefined
  readonly applicationName?: string | undefined
}

/** What `new Trail` works with when it is not told. */
export const TRAIL_DEFAULTS = Object.freeze({ schema: DEFAULT_SCHEMA, timeoutMs: 30_000, connections: 4 })

/** Rows that are read at once when a whole result is. */
const STREAM_ROWS = 500
const MONTH_MS = 30 * 86_400_000

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

/** What a set that is settled now has, and what it lacks. */
export interface SettledState {
  readonly mark: bigint
  /** Of the server that the mark is of, as `pg_control_system` has it. Null where this login may not ask. */
  readonly system: string | null
  /** The ids of the database and the table there that the mark is of, as `16384.16390`: a restored table has others. */
  readonly table: string
  /** Rows that are committed and not settled: a transaction that began before them is still open. */
  readonly unsettled: number
  /** When the first of them was recorded. */
  readonly since: Date | null
  /** Rows come here by logical replication. They are foreign: no mark says when, and a set that has them is not fixed. */
  readonly replicated: boolean
}

type Statements = Readonly<Record<(typeof STATEMENTS)[number], string>>

const STATEMENTS = [
  'page',
  'few',
  'mark',
  'unsettled',
  'store',
  'matching',
  'histogram',
  'summary',
  'matrix',
  'bursts',
  'reversals',
  'chains',
  'block',
  'covered',
  'coverage',
  'find-first',
  'find-dormant',
  'find-not-enrolled',
] as const

interface UnsettledRow {
  readonly rows: string
  readonly since: string | null
  readonly replicated: boolean
}

interface Store {
  /** What tells a foreign row: a view has no system columns, and then no row is known to be of this server. */
  readonly foreign: string
  /** What gives the identifier of the server. */
  readonly system: string
}

/**
 * Reads the trail. Nothing connects before it is used.
 *
 * Rows come newest first, by `audit_id`. Of a scan, page after page: every row that was committed before the first page
 * is returned exactly once; one that is committed meanwhile, at most once. With `settled` the set is fixed by the first
 * page: rows of transactions older than every one that was running then.
 *
 * Every method throws AuditError: `AUDIT_INVALID_QUERY` (its `field` names the parameter), `AUDIT_READ_FAILED`,
 * `AUDIT_READ_TIMEOUT`, `AUDIT_SCHEMA`, `AUDIT_TRAIL`, `AUDIT_CLOSED`.
 */
export class Trail {
  readonly #reader: Reader
  readonly #cursors: Cursors
  readonly #schema: string
  readonly #counts: Counts
  #statements: Promise<Statements> | undefined
  #shape: Promise<Store> | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(given: TrailOptions) {
    const options = givenOptions(given)
    checkTextOrSource('databaseUrl', options.databaseUrl)
    checkDuration('timeoutMs', options.timeoutMs ?? TRAIL_DEFAULTS.timeoutMs, 1)
    checkInteger('connections', options.connections ?? TRAIL_DEFAULTS.connections, 1, 1000)
    checkText('applicationName', options.applicationName ?? 'otel-audit query')
    if (options.cursorKey !== undefined) checkText('cursorKey', options.cursorKey)
    this.#schema = checkSchemaName(options.schema ?? TRAIL_DEFAULTS.schema)
    this.#reader = new Reader({
      databaseUrl: options.databaseUrl,
      schema: this.#schema,
      timeoutMs: options.timeoutMs ?? TRAIL_DEFAULTS.timeoutMs,
      connections: options.connections ?? TRAIL_DEFAULTS.connections,
      applicationName: options.applicationName ?? 'otel-audit query',
      trails: (options.trails ?? []).map((trail) => checkTrailId(trail, 'trails')),
    })
    this.#cursors = new Cursors(cursorKey(options.cursorKey))
    this.#counts = new Counts({
      query: async (statement, placeholders, values) => {
        const { [statement]: text } = await this.#sql()
        return this.#reader.query(this.#render(text, placeholders), values.list)
      },
      matching: (filter, values, by) => this.#matching(filter, values, by),
    })
  }

  /** One page. */
  async search(filter: TrailFilter = {}): Promise<Page> {
    const resolved = parseFilter(filter)
    const range = await this.#rangeOf(resolved)
    return (await this.#pageOf(resolved, range, resolved.limit)).page
  }

  /**
   * The whole result, page by page in constant memory, from the filter's cursor on if it has one. `limit` does not
   * count. There is always a page, if only an empty one.
   */
  async *pages(filter: TrailFilter = {}): AsyncGenerator<Page, void, void> {
    const resolved = parseFilter(filter)
    let range = await this.#rangeOf(resolved)
    for (;;) {
      const { isLast, page } = await this.#pageOf(resolved, range, STREAM_ROWS)
      const last = page.rows.at(-1)
      yield page
      if (isLast || last === undefined) return
      range = { ...range, below: BigInt(last.audit_id) }
    }
  }

  /** One row. @returns undefined when there is none */
  async row(auditId: bigint): Promise<TrailRow | undefined> {
    const { page } = await this.#sql()
    const text = this.#render(page, { COLUMNS: SELECT_COLUMNS, WHERE: 'audit_id = $1::bigint', LIMIT: '1' })
    const [row] = await this.#reader.query<TrailRow>(text, [auditId])
    return row
  }

  /**
   * Number of rows over time, by outcome. The window is `from` (default: 24 hours before `to`) to `to`
   * (default: now); `limit` does not count.
   */
  histogram(filter: TrailFilter = {}, options: HistogramOptions = {}): Promise<Histogram> {
    return this.#counts.histogram(filter, options)
  }

  /**
   * Accesses, denials, distinct workers, actors and addresses, first and last access: per credential, or by something else,
   * the most accessed first unless `order` says otherwise. The window is `from` (default: 30 days before `to`) to `to`;
   * `limit` counts groups. Without the rows that the trail writes about itself, unless they are asked for by name.
   */
  summary(filter: TrailFilter = {}, options: SummaryOptions = {}): Promise<Summary> {
    return this.#counts.summary(filter, options)
  }

  /** The same for pairs: which actor accessed which credential. The window is 92 days by default; `limit` counts cells. */
  matrix(filter: TrailFilter = {}, options: MatrixOptions = {}): Promise<Matrix> {
    return this.#counts.matrix(filter, options)
  }

  /** Denials that followed each other closely, by whom. The window is 24 hours by default; `limit` counts bursts. */
  bursts(filter: TrailFilter = {}, options: BurstOptions = {}): Promise<Bursts> {
    return this.#counts.bursts(filter, options)
  }

  /** Accesses that were granted right after the same had been denied. As {@link bursts}. */
  reversals(filter: TrailFilter = {}, options: ReversalOptions = {}): Promise<Reversals> {
    return this.#counts.reversals(filter, options)
  }

  /**
   * The health of the writers' chains, the one that said something last first: read from the first and the last block of
   * each, so nothing is proven by it. `limit` counts chains.
   */
  async chains(filter: Pick<TrailFilter, 'limit'> = {}, options: ChainsOptions = {}): Promise<Chains> {
    const { limit } = parseFilter(filter)
    const { chains } = await this.#sql()
    const text = this.#render(chains, {
      LAST: boundedBlockSelect('last'),
      FIRST: boundedBlockSelect('first'),
      LIMIT: String(limit + 1),
    })
    const rows = await this.#reader.query<unknown[]>(text, [], 'array')
    return chainsOf(rows.map(chainBlocks), limit, { trust: await this.#trustIn(options) }, wallClock())
  }

  /**
   * How the secret clients of the fleet were covered at a time: what each process and thread had said last, and had not
   * stopped since. `limit` counts clients.
   */
  async coverage(
    filter: Pick<TrailFilter, 'service_name' | 'limit'> = {},
    options: CoverageOptions = {},
  ): Promise<FleetCoverage> {
    const now = wallClock()
    const given = options.at === undefined ? undefined : parseTime(parseParameter('at', AT, options.at), now)
    const at = given ?? now * 1000
    const resolved = parseFilter({ ...filter, own: 'include' }, now, { isBounded: true })
    const values = new Values()
    const range: Range = { from: Math.max(0, at - STATED_WITHIN_MS * 1000), to: at + 1 }
    const { main, displaced } = conditions(resolved, range, values)
    const { covered, coverage } = await this.#sql()
    const branches = [main, ...(displaced === undefined ? [] : [displaced])]
    const text = this.#render(coverage, {
      COVERED: branches.map((WHERE) => this.#render(covered, { WHERE })).join('\nunion all\n'),
      LIMIT: String(resolved.limit + 1),
    })
    return coverageOf(at, await this.#reader.query<CoverageRow>(text, values.list), resolved.limit)
  }

  /**
   * Accesses by what is about more than one row. `first` and `dormant` look at the whole trail unless the filter has a
   * window, `not-enrolled` at the last 30 days. `limit` counts accesses; rows of the trail about itself are none.
   */
  async find(
    pattern: FindPattern,
    filter: TrailFilter = {},
    { unusedFor = '90d', trust }: FindOptions = {},
  ): Promise<FoundAccesses> {
    const now = wallClock()
    const bound = pattern === 'not-enrolled' ? { windowMs: MONTH_MS } : { isBounded: true }
    const resolved = parseFilter(withoutCursor(filter), now, bound)
    const before = (now - durationMs(unusedFor)) * 1000
    const vouched = pattern === 'not-enrolled' ? await this.#vouchedFor(checkTrust(trust)) : []
    const values = new Values()
    const { main, displaced } = conditions(resolved, await this.#rangeOf(resolved), values)
    const where = displaced === undefined ? main : `((${main}) or (${displaced}))`
    const { [`find-${pattern}` as const]: statement } = await this.#sql()
    const text = this.#render(statement, {
      COLUMNS: SELECT_COLUMNS,
      WHERE: `${where} and ${accessCondition(resolved)}`,
      ...(pattern === 'dormant' && { BEFORE: values.add(before, 'float8') }),
      ...(pattern === 'not-enrolled' && { VOUCHED: values.add(vouched, 'uuid[]') }),
      LIMIT: String(resolved.limit + 1),
    })
    const rows = await this.#reader.query<TrailRow>(text, values.list)
    return { pattern, rows: rows.slice(0, resolved.limit), truncated: rows.length > resolved.limit }
  }

  async #vouchedFor(given: Trust): Promise<readonly string[]> {
    const { chains } = await this.#sql()
    const text = this.#render(chains, {
      LAST: boundedBlockSelect('last'),
      FIRST: boundedBlockSelect('first'),
      LIMIT: 'all',
    })
    const trust = (await this.#trustIn({ trust: given })) ?? given
    const rows = await this.#reader.query<unknown[]>(text, [], 'array')
    return vouchedFor(chainsOf(rows.map(chainBlocks), rows.length, { trust }, wallClock()).chains, trust)
  }

  /** What nobody has said of the trail from elsewhere, the store says itself. */
  async #trustIn({ trust }: ChainsOptions): Promise<Trust | undefined> {
    if (trust === undefined || trust.enrolment.length === 0 || (trust.trails ?? []).length > 0) return trust
    const text = 'select trail from :SCHEMA.secret_audit_trail'
    const [identity] = await this.#reader.query<{ trail: string }>(this.#render(text, {}))
    // A store that has lost its identity has no chain of its own.
    return { ...trust, trails: [identity?.trail ?? ''] }
  }

  /** A block as it is stored. @returns undefined when there is none */
  async block(chainId: string, number: bigint): Promise<StoredBlock | undefined> {
    const { block } = await this.#sql()
    const text = this.#render(block, { BLOCK: boundedBlockSelect('block') })
    const [row] = await this.#reader.query<unknown[]>(text, [chainId, number], 'array')
    return row === undefined ? undefined : storedBlock(blockOfRow(row))
  }

  /**
   * The transaction below which everything has ended: rows below it are a set that no longer changes. It is the oldest
   * transaction that is still writing anywhere in the cluster, and means nothing after a dump and restore.
   */
  async mark(): Promise<bigint> {
    return (await this.#marked()).mark
  }

  /** The mark, whose it is, and what is not settled yet. */
  async settledState(): Promise<SettledState> {
    const { mark, system, table } = await this.#marked()
    const { unsettled } = await this.#sql()
    const { foreign: FOREIGN } = await this.#store()
    const text = this.#render(unsettled, { FOREIGN })
    const [row] = await this.#reader.query<UnsettledRow>(text, [mark])
    const since = row?.since == null ? null : new Date(row.since)
    const replicated = row?.replicated === true
    return { mark, system, table, unsettled: Number(row?.rows ?? 0), since, replicated }
  }

  async #marked(): Promise<Place & { readonly mark: bigint }> {
    const { mark } = await this.#sql()
    const { system: SYSTEM } = await this.#store()
    const text = this.#render(mark, { SYSTEM, TABLE: placeOfTable(this.#schema) })
    const [row] = await this.#reader.query<{ mark: string; system: string | null; table: string }>(text)
    return { mark: BigInt(row?.mark ?? 0), system: row?.system ?? null, table: row?.table ?? '' }
  }

  #store(): Promise<Store> {
    this.#shape ??= this.#readStore().catch((error: unknown) => {
      this.#shape = undefined
      throw error
    })
    return this.#shape
  }

  async #readStore(): Promise<Store> {
    const { store } = await this.#sql()
    const [row] = await this.#reader.query<{ is_table: boolean; has_system: boolean }>(
      this.#render(store, {}),
    )
    return {
      foreign: row?.is_table === true ? FOREIGN : 'true',
      system:
        row?.has_system === true ? '(select system_identifier::text from pg_control_system())' : 'null::text',
    }
  }

  /**
   * Rows that became settled between two marks, in ascending order of ids: of transactions from `since` on and below
   * `until`. `limit`, `cursor` and `settled` do not count, and no filter needs a window.
   */
  async *added(
    filter: TrailFilter,
    since: bigint,
    until: bigint,
  ): AsyncGenerator<readonly TrailRow[], void, void> {
    const resolved = parseFilter(filter, wallClock(), { isBounded: true })
    const { few } = await this.#sql()
    const { foreign } = await this.#store()
    let above: bigint | undefined
    for (;;) {
      const values = new Values()
      const range: Range = { ...window(resolved), mark: until, since, above, foreign }
      const { main, displaced } = conditions(resolved, range, values)
      const text = this.#render(few, {
        DIRECTION: 'asc',
        COLUMNS: SELECT_COLUMNS,
        WHERE: displaced === undefined ? main : `((${main}) or (${displaced}))`,
        LIMIT: String(STREAM_ROWS),
      })
      const rows = await this.#reader.query<TrailRow>(text, values.list)
      if (rows.length > 0) yield rows
      if (rows.length < STREAM_ROWS) return
      above = BigInt(rows.at(-1)?.audit_id ?? 0)
    }
  }

  /** Whether the trail can be read. @throws AuditError when it cannot */
  async check(): Promise<void> {
    await this.row(0n)
  }

  /** Ends its connections, also those in use. Idempotent. */
  close(): Promise<void> {
    return this.#reader.close()
  }

  async #rangeOf(filter: ResolvedFilter): Promise<Range> {
    if (filter.cursor !== undefined) {
      const { auditId, ...range } = this.#cursors.read(filter.cursor, filter)
      return { ...range, ...(await this.#store()), below: auditId }
    }
    if (!filter.settled) return window(filter)
    const { foreign } = await this.#store()
    const mark = await this.mark()
    if (filter.mark !== undefined && filter.mark > mark) {
      throw new AuditError(
        'AUDIT_INVALID_QUERY',
        `settled: ${filter.mark} is not a mark of this database, or not yet reached`,
        {
          field: 'settled',
        },
      )
    }
    return { ...window(filter), mark: filter.mark ?? mark, foreign }
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

  async #read(
    filter: ResolvedFilter,
    range: Range,
    limit: number,
  ): Promise<{ rows: FoundRow[]; isLast: boolean }> {
    const { page, few } = await this.#sql()
    const values = new Values()
    const settled = range.mark === undefined ? '' : `, ${range.foreign ?? FOREIGN} as is_foreign`
    const placeholders = {
      COLUMNS: `${SELECT_COLUMNS}${settled}`,
      DIRECTION: 'desc',
      LIMIT: String(limit + 1),
    }
    const parts = branchesOf(filter).flatMap((branch) => {
      const { main, displaced } = conditions(branch, range, values)
      const most = this.#render(page, { ...placeholders, WHERE: main })
      return displaced === undefined
        ? [most]
        : [most, this.#render(few, { ...placeholders, WHERE: displaced })]
    })
    const [only = ''] = parts
    const text =
      parts.length === 1
        ? only
        : `select * from (${parts.map((part) => `(${part})`).join(' union all ')}) found
           order by audit_id desc limit ${limit + 1}`
    const rows = await this.#reader.query<FoundRow>(text, values.list)
    return { rows: rows.slice(0, limit), isLast: rows.length <= limit }
  }

  #cursorAt(last: TrailRow, range: Range, filter: ResolvedFilter): string {
    const { mark, from, to } = range
    return this.#cursors.write({ auditId: BigInt(last.audit_id), mark, from, to }, filter)
  }

  async #matching(filter: ResolvedFilter, values: Values, BY: string): Promise<string> {
    const { matching } = await this.#sql()
    const { main, displaced } = conditions(filter, await this.#rangeOf(filter), values)
    const most = this.#render(matching, { WHERE: main, BY })
    return displaced === undefined
      ? most
      : `${most}\nunion all\n${this.#render(matching, { WHERE: displaced, BY })}`
  }

  #render(text: string, placeholders: Readonly<Record<string, string>>): string {
    return renderSql(text, this.#schema, placeholders)
  }

  #sql(): Promise<Statements> {
    this.#statements ??= loadStatements()
    return this.#statements
  }
}

async function loadStatements(): Promise<Statements> {
  const texts = await Promise.all(STATEMENTS.map((name) => readSql(`./${name}.sql`, import.meta.url)))
  return Object.fromEntries(STATEMENTS.map((name, i) => [name, texts[i]])) as Statements
}

function withoutForeign(found: FoundRow): TrailRow {
  const row: TrailRow & { is_foreign?: boolean } = { ...found }
  delete row.is_foreign
  return row
}

type FoundRow = TrailRow & { readonly is_foreign?: boolean }

/** A row of `chains.sql`. */
function chainBlocks(row: readonly unknown[]): ChainBlocks {
  const hasGenesis = row[BLOCK_COLUMNS] !== null
  return { last: blockOfRow(row), genesis: hasGenesis ? blockOfRow(row, BLOCK_COLUMNS) : undefined }
}

function window({ from, to }: ResolvedFilter): Range {
  return { from, to }
}
