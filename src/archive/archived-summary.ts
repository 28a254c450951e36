import { type AuditEvent, FIELDS } from '../event/fields.js'
import { formatTime } from '../event/time.js'
import { TRAIL_OPERATIONS } from '../event/vocabulary.js'
import type { Summary, SummaryBy, SummaryGroup, SummaryOrder } from '../query/summary.js'

const NOT_DENIALS: ReadonlySet<string> = new Set(['ok', 'requested'])

const NAMES: ReadonlyMap<string, keyof AuditEvent> = new Map(FIELDS.map(({ column, name }) => [column, name]))

const INTEGERS: ReadonlySet<string> = new Set(
  FIELDS.filter(({ kind }) => kind === 'int8').map(({ name }) => name),
)

interface Group {
  accesses: number
  denials: number
  first: number
  last: number
  readonly workers: Set<string>
  readonly actors: Set<string>
  readonly sources: Set<string>
}

/** As `summary.ts` has it in SQL. Below 0: the first comes before the second. */
const ORDERS: Readonly<Record<SummaryOrder, (a: Group, b: Group) => number>> = {
  accesses: (a, b) => b.accesses - a.accesses,
  denials: (a, b) => b.denials - a.denials || b.accesses - a.accesses,
  newest: (a, b) => b.first - a.first,
  oldest: (a, b) => a.first - b.first,
  recent: (a, b) => b.last - a.last,
  dormant: (a, b) => a.last - b.last,
  name: () => 0,
}

/** What `summary.sql` says, counted row by row. */
export class SummaryTally {
  readonly #by: SummaryBy
  readonly #field: keyof AuditEvent
  readonly #order: SummaryOrder
  /** The trail's own rows are accesses, too. */
  readonly #hasOwn: boolean
  readonly #groups = new Map<string | null, Group>()

  constructor(by: SummaryBy, order: SummaryOrder, hasOwn: boolean) {
    this.#by = by
    this.#order = order
    this.#hasOwn = hasOwn
    this.#field = NAMES.get(by) ?? 'credential'
  }

  add(event: AuditEvent): void {
    if (!this.#hasOwn && TRAIL_OPERATIONS.includes(event.operation)) return
    const value = event[this.#field]
    const key = value === null ? null : String(value)
    const { occurredAt, workerId, actorId, sourceAddress } = event
    const group = this.#groups.get(key) ?? {
      accesses: 0,
      denials: 0,
      first: occurredAt,
      last: occurredAt,
      workers: new Set(),
      actors: new Set(),
      sources: new Set(),
    }
    this.#groups.set(key, group)
    group.accesses++
    if (!NOT_DENIALS.has(event.outcome)) group.denials++
    if (occurredAt < group.first) group.first = occurredAt
    if (occurredAt > group.last) group.last = occurredAt
    if (workerId !== null) group.workers.add(workerId)
    if (actorId !== null) group.actors.add(actorId)
    if (sourceAddress !== null) group.sources.add(sourceAddress)
  }

  summary(limit: number): Summary {
    const inOrder = INTEGERS.has(this.#field) ? byNumber : byName
    const groups = [...this.#groups].toSorted(
      ([a, one], [b, other]) => ORDERS[this.#order](one, other) || inOrder(a, b),
    )
    return {
      by: this.#by,
      groups: groups.slice(0, limit).map(
        ([value, { accesses, denials, workers, actors, sources, first, last }]): SummaryGroup => ({
          value,
          accesses,
          denials,
          workers: workers.size,
          actors: actors.size,
          sources: sources.size,
          first_access: formatTime(first),
          last_access: formatTime(last),
        }),
      ),
      truncated: groups.length > limit,
    }
  }
}

/** By bytes, as the server does in the collation C; what is not known comes last. */
function byName(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function byNumber(a: string | null, b: string | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0
}
