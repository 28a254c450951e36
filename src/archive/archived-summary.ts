import { type AuditEvent, FIELDS } from '../event/fields.js'
import { formatTime } from '../event/time.js'
import type { Summary, SummaryBy, SummaryGroup } from '../query/summary.js'

/** What the trail records about itself is not an access: as `summary.sql` has it. */
const NOT_ACCESSES: ReadonlySet<string> = new Set([
  'audit_lifecycle',
  'audit_gap',
  'audit_coverage',
  'audit_quarantine',
  'audit_retention',
  'audit_hold',
  'query_trail',
  'export_trail',
])
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
}

/** What `summary.sql` says, counted row by row. */
export class SummaryTally {
  readonly #by: SummaryBy
  readonly #field: keyof AuditEvent
  readonly #groups = new Map<string | null, Group>()

  constructor(by: SummaryBy) {
    this.#by = by
    this.#field = NAMES.get(by) ?? 'credential'
  }

  add(event: AuditEvent): void {
    if (NOT_ACCESSES.has(event.operation)) return
    const value = event[this.#field]
    const key = value === null ? null : String(value)
    const { occurredAt, workerId, actorId } = event
    const group = this.#groups.get(key) ?? {
      accesses: 0,
      denials: 0,
      first: occurredAt,
      last: occurredAt,
      workers: new Set(),
      actors: new Set(),
    }
    this.#groups.set(key, group)
    group.accesses++
    if (!NOT_DENIALS.has(event.outcome)) group.denials++
    if (occurredAt < group.first) group.first = occurredAt
    if (occurredAt > group.last) group.last = occurredAt
    if (workerId !== null) group.workers.add(workerId)
    if (actorId !== null) group.actors.add(actorId)
  }

  summary(limit: number): Summary {
    const inOrder = INTEGERS.has(this.#field) ? byNumber : byName
    const groups = [...this.#groups].toSorted(
      ([a, one], [b, other]) => other.accesses - one.accesses || inOrder(a, b),
    )
    return {
      by: this.#by,
      groups: groups.slice(0, limit).map(
        ([value, { accesses, denials, workers, actors, first, last }]): SummaryGroup => ({
          value,
          accesses,
          denials,
          workers: workers.size,
          actors: actors.size,
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
