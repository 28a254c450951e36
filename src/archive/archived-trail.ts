import { INT8_MAX, INT8_MIN } from '../event/int8.js'
import { wallClock } from '../host/globals.js'
import type { ReadRow } from '../postgres/read/copied-event.js'
import { cursorKey, Cursors } from '../query/cursor.js'
import { namesOwn, parseFilter, type ResolvedFilter, type TrailFilter } from '../query/filter.js'
import { matches } from '../query/matches.js'
import { rowOf } from '../query/row.js'
import { checkBy, checkOrder, type Summary, type SummaryOptions } from '../query/summary.js'
import type { SettledState } from '../query/settled-state.js'
import type { Page } from '../query/page.js'
import type { Trust } from '../verify/trust.js'
import type { ArchiveStore } from './archive-store.js'
import { SummaryTally } from './archived-summary.js'
import { CredentialFilter } from './credential-filter.js'
import type { PartInfo, ReadManifest } from './manifest.js'
import { merged, type SortedList } from './merge.js'
import { readMember } from './ndjson-file.js'
import { type OpenArchives, openArchives } from './open-archives.js'
import { rowOfLine } from './row-line.js'

/** Rows of a page where a whole result is read. */
const STREAM_ROWS = 500

/**
 * Answers the questions of {@link Trail} from archives, by the same filters and in the same words. What cannot have a row that is asked for
 * is not read: parts, by their times, ids and credentials, and members of them, by their ids. Each member that is read is held against
 * the manifest.
 *
 * Every method throws AuditError: `AUDIT_INVALID_QUERY`, `AUDIT_ARCHIVE`.
 */
export class ArchivedTrail {
  readonly #store: ArchiveStore
  readonly #archives: readonly ReadManifest[]
  readonly #cursors: Cursors
  #members = 0

  /** @param key of cursors: those of a trail with the same one are understood */
  constructor({ store, archives }: OpenArchives, key: string | undefined) {
    this.#store = store
    this.#archives = archives
    this.#cursors = new Cursors(cursorKey(key))
  }

  /** @throws AuditError `AUDIT_ARCHIVE` as {@link openArchives} */
  static async open(store: ArchiveStore, trust: Trust, key: string | undefined): Promise<ArchivedTrail> {
    return new ArchivedTrail(await openArchives(store, trust), key)
  }

  /** Members that were read so far. */
  get membersRead(): number {
    return this.#members
  }

  /** One page, newest first. */
  async search(filter: TrailFilter = {}): Promise<Page> {
    const resolved = parseFilter(filter, wallClock(), { isBounded: true })
    for await (const page of this.#pagesOf(resolved, resolved.limit)) return page
    return EMPTY
  }

  /** The whole result, page by page in constant memory, from the filter's cursor on if it has one. `limit` does not count. */
  pages(filter: TrailFilter = {}): AsyncGenerator<Page, void, void> {
    return this.#pagesOf(parseFilter(filter, wallClock(), { isBounded: true }), STREAM_ROWS)
  }

  /** As of the trail; without a window of its own: what is archived is old. */
  async summary(filter: TrailFilter = {}, options: SummaryOptions = {}): Promise<Summary> {
    const resolved = parseFilter(filter, wallClock(), { isBounded: true })
    const tally = new SummaryTally(checkBy(options.by), checkOrder(options.order), namesOwn(resolved.terms))
    for await (const batch of this.#matching(resolved, undefined))
      for (const { event } of batch) tally.add(event)
    return tally.summary(resolved.limit)
  }

  /** All that is archived is settled. Of the server that it was on nothing is known. */
  async settledState(): Promise<SettledState> {
    return { mark: 0n, system: null, table: '', unsettled: 0, since: null, replicated: false }
  }

  async *#pagesOf(filter: ResolvedFilter, limit: number): AsyncGenerator<Page, void, void> {
    const { cursor } = filter
    const position = cursor === undefined ? undefined : this.#cursors.read(cursor, filter)
    const { from, to } = position ?? filter
    const within = { ...filter, from, to }
    let rows: ReadRow[] = []
    for await (const batch of this.#matching(within, position?.auditId)) {
      for (const row of batch) {
        // One that is too many shows that there are more.
        if (rows.length === limit) {
          yield this.#page(rows, within, filter, false)
          rows = []
        }
        rows.push(row)
      }
    }
    yield this.#page(rows, within, filter, true)
  }

  #page(
    rows: readonly ReadRow[],
    { from, to }: ResolvedFilter,
    filter: ResolvedFilter,
    isLast: boolean,
  ): Page {
    const auditId = rows.at(-1)?.auditId
    const next =
      isLast || auditId === undefined
        ? null
        : this.#cursors.write({ auditId, mark: undefined, from, to }, filter)
    return { rows: rows.map(rowOf), next_cursor: next, mark: null }
  }

  /** Newest first. */
  async *#matching(
    filter: ResolvedFilter,
    below: bigint | undefined,
  ): AsyncGenerator<readonly ReadRow[], void, void> {
    const last = below === undefined ? INT8_MAX : below - 1n
    const lists = this.#archives.flatMap(({ folder, manifest }) =>
      manifest.parts
        .filter((part) => mayHave(part, filter, last))
        .map((part) => this.#backwards(folder, part, last, filter)),
    )
    yield* merged(lists, (a, b) => (a.auditId > b.auditId ? -1 : a.auditId < b.auditId ? 1 : 0))
  }

  #backwards(folder: string, part: PartInfo, last: bigint, filter: ResolvedFilter): SortedList<ReadRow> {
    const read = (member: number): Promise<readonly string[]> => {
      this.#members++
      return readMember(this.#store, folder, part, member)
    }
    const isAsked = (row: ReadRow): boolean =>
      row.auditId <= last &&
      matches(filter, row.event) &&
      (filter.mark === undefined || row.recordedXid < filter.mark)
    return {
      from: { auditId: BigInt(part.last_id) } as ReadRow,
      open: async function* () {
        for (let member = part.members.length - 1; member >= 0; member--) {
          if (BigInt(part.member_ids[member] ?? INT8_MIN) > last) continue
          yield (await read(member)).map(rowOfLine).filter(isAsked).toReversed()
        }
      },
    }
  }
}

const EMPTY: Page = { rows: [], next_cursor: null, mark: null }

function mayHave(part: PartInfo, { from, to, terms }: ResolvedFilter, last: bigint): boolean {
  if (BigInt(part.first_id) > last) return false
  if (from !== undefined && BigInt(part.last_time) < BigInt(Math.floor(from))) return false
  if (to !== undefined && BigInt(part.first_time) >= BigInt(Math.ceil(to))) return false
  const { oneOf = [] } = terms['credential'] ?? {}
  // Of how a name begins the filter says nothing.
  if (oneOf.length === 0 || oneOf.some(({ kind }) => kind !== 'is')) return true
  const known = CredentialFilter.read(part.credentials)
  return oneOf.some(({ text }) => known.mayHave(text))
}
