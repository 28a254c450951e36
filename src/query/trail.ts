import { wallClock } from '../host/globals.js'
import type { DatabaseUrl } from '../postgres/database-url.js'
import { checkInteger, checkText, checkTextOrSource } from '../host/check.js'
import { givenOptions } from '../host/own.js'
import { checkDuration } from '../host/timers.js'
import { Reader } from '../postgres/read/pool.js'
import { checkSchemaName, DEFAULT_SCHEMA } from '../postgres/schema-name.js'
import { checkTrailId } from '../postgres/trail-identity.js'
import { accessCondition } from './access.js'
import { ChainReader } from './chain-reader.js'
import type { Chains, ChainsOptions } from './chains.js'
import { conditions, Values } from './conditions.js'
import {
  AT,
  coverageOf,
  type CoverageOptions,
  type CoverageRow,
  type FleetCoverage,
  STATED_WITHIN_MS,
} from './coverage.js'
import { Counts, withoutCursor } from './counts.js'
import { cursorKey, Cursors } from './cursor.js'
import { parseFilter, type ResolvedFilter, type TrailFilter } from './filter.js'
import { checkTrust, durationMs, type FindOptions, type FindPattern, type FoundAccesses } from './find.js'
import type { Histogram, HistogramOptions } from './histogram.js'
import { Marks } from './marks.js'
import type { Matrix, MatrixOptions } from './matrix.js'
import type { Page } from './page.js'
import { Pages } from './pages.js'
import { parseParameter } from './parameter.js'
import { PartitionList } from './partition-list.js'
import { type Retired, retiredRange, type RetiredRow } from './retired.js'
import { SELECT_COLUMNS, type TrailRow } from './row.js'
import type { SettledState } from './settled-state.js'
import { Statements } from './statements.js'
import type { StoredBlock } from './stored-block.js'
import type { Summary, SummaryOptions } from './summary.js'
import type { BurstOptions, Bursts, ReversalOptions, Reversals } from './suspicions.js'
import { parseTime } from './time.js'

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

const MONTH_MS = 30 * 86_400_000

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
  readonly #statements: Statements
  readonly #marks: Marks
  readonly #partitions: PartitionList
  readonly #pages: Pages
  readonly #chains: ChainReader
  readonly #counts: Counts

  /** @throws AuditError `AUDIT_INVALID_OPTION` for an option that is not one */
  constructor(given: TrailOptions) {
    const options = givenOptions(given)
    checkTextOrSource('databaseUrl', options.databaseUrl)
    checkDuration('timeoutMs', options.timeoutMs ?? TRAIL_DEFAULTS.timeoutMs, 1)
    checkInteger('connections', options.connections ?? TRAIL_DEFAULTS.connections, 1, 1000)
    checkText('applicationName', options.applicationName ?? 'otel-audit query')
    if (options.cursorKey !== undefined) checkText('cursorKey', options.cursorKey)
    const schema = checkSchemaName(options.schema ?? TRAIL_DEFAULTS.schema)
    this.#reader = new Reader({
      databaseUrl: options.databaseUrl,
      schema,
      timeoutMs: options.timeoutMs ?? TRAIL_DEFAULTS.timeoutMs,
      connections: options.connections ?? TRAIL_DEFAULTS.connections,
      applicationName: options.applicationName ?? 'otel-audit query',
      trails: (options.trails ?? []).map((trail) => checkTrailId(trail, 'trails')),
    })
    this.#statements = new Statements(this.#reader, schema)
    this.#marks = new Marks(this.#statements, schema)
    this.#partitions = new PartitionList(this.#statements, schema)
    const cursors = new Cursors(cursorKey(options.cursorKey))
    this.#pages = new Pages(this.#statements, this.#marks, this.#partitions, cursors)
    this.#chains = new ChainReader(this.#statements)
    this.#counts = new Counts({
      query: (statement, placeholders, values) => this.#statements.query(statement, placeholders, values),
      matching: (filter, values, by) => this.#matching(filter, values, by),
    })
  }

  /** One page. */
  search(filter: TrailFilter = {}): Promise<Page> {
    return this.#pages.first(filter)
  }

  /**
   * The whole result, page by page in constant memory, from the filter's cursor on if it has one. `limit` does not
   * count. There is always a page, if only an empty one.
   */
  pages(filter: TrailFilter = {}): AsyncGenerator<Page, void, void> {
    return this.#pages.all(filter)
  }

  /** One row. @returns undefined when there is none */
  async row(auditId: bigint): Promise<TrailRow | undefined> {
    const values = new Values()
    const WHERE = `audit_id = ${values.add(auditId, 'bigint')}`
    const placeholders = { COLUMNS: SELECT_COLUMNS, WHERE, LIMIT: '1' }
    const [row] = await this.#statements.query<TrailRow>('page', placeholders, values)
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
    return this.#chains.chains(parseFilter(filter).limit, options)
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
    const window = { from: Math.max(0, at - STATED_WITHIN_MS * 1000), to: at + 1 }
    const range = await this.#partitions.placed(window)
    const { main, displaced } = conditions(resolved, range, values)
    const branches = [main, ...(displaced === undefined ? [] : [displaced])]
    const parts = await Promise.all(branches.map((WHERE) => this.#statements.text('covered', { WHERE })))
    const placeholders = { COVERED: parts.join('\nunion all\n'), LIMIT: String(resolved.limit + 1) }
    const rows = await this.#statements.query<CoverageRow>('coverage', placeholders, values)
    return coverageOf(at, rows, resolved.limit)
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
    const vouched = pattern === 'not-enrolled' ? await this.#chains.vouchedFor(checkTrust(trust)) : []
    const values = new Values()
    const { main, displaced } = conditions(resolved, await this.#pages.rangeOf(resolved), values)
    const where = displaced === undefined ? main : `((${main}) or (${displaced}))`
    const placeholders = {
      COLUMNS: SELECT_COLUMNS,
      WHERE: `${where} and ${accessCondition(resolved)}`,
      ...(pattern === 'dormant' && { BEFORE: values.add(before, 'float8') }),
      ...(pattern === 'not-enrolled' && { VOUCHED: values.add(vouched, 'uuid[]') }),
      LIMIT: String(resolved.limit + 1),
    }
    const rows = await this.#statements.query<TrailRow>(`find-${pattern}`, placeholders, values)
    return { pattern, rows: rows.slice(0, resolved.limit), truncated: rows.length > resolved.limit }
  }

  /** What was retired of the trail, and where the archives of that are. */
  async retired(): Promise<Retired> {
    const [login] = await this.#statements.query<{ may: boolean }>('may-see-retired')
    if (login?.may !== true) return { ranges: null }
    const rows = await this.#statements.query<RetiredRow>('retired')
    return { ranges: rows.map(retiredRange) }
  }

  /** A block as it is stored. @returns undefined when there is none */
  block(chainId: string, number: bigint): Promise<StoredBlock | undefined> {
    return this.#chains.block(chainId, number)
  }

  /**
   * The transaction below which everything has ended: rows below it are a set that no longer changes. It is the oldest
   * transaction that is still writing anywhere in the cluster, and means nothing after a dump and restore.
   */
  mark(): Promise<bigint> {
    return this.#marks.mark()
  }

  /** The mark, whose it is, and what is not settled yet. */
  settledState(): Promise<SettledState> {
    return this.#marks.settledState()
  }

  /**
   * Rows that became settled between two marks, in ascending order of ids: of transactions from `since` on and below
   * `until`. `limit`, `cursor` and `settled` do not count, and no filter needs a window.
   */
  added(filter: TrailFilter, since: bigint, until: bigint): AsyncGenerator<readonly TrailRow[], void, void> {
    return this.#pages.added(filter, since, until)
  }

  /** Whether the trail can be read. @throws AuditError when it cannot */
  async check(): Promise<void> {
    await this.row(0n)
  }

  /** Ends its connections, also those in use. Idempotent. */
  close(): Promise<void> {
    return this.#reader.close()
  }

  async #matching(filter: ResolvedFilter, values: Values, BY: string): Promise<string> {
    const { main, displaced } = conditions(filter, await this.#pages.rangeOf(filter), values)
    const most = await this.#statements.text('matching', { WHERE: main, BY })
    if (displaced === undefined) return most
    return `${most}\nunion all\n${await this.#statements.text('matching', { WHERE: displaced, BY })}`
  }
}
