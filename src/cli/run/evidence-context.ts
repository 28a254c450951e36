import type { AuditEvent } from '../../event/fields.js'
import { formatTime } from '../../event/time.js'
import { Operation } from '../../event/vocabulary.js'
import { JSON } from '../../host/globals.js'
import type { ReadRow } from '../../postgres/read/copied-event.js'
import { linesOf } from '../../query/bundle/bundle-lines.js'
import { STATED_WITHIN_MS } from '../../query/coverage.js'
import { rowJson, rowOf } from '../../query/row.js'
import { parseTime } from '../../query/time.js'

/** What the rows of a bundle have in common. */
export interface BundleRows {
  /** Newest first, as in the file. */
  readonly ids: readonly bigint[]
  readonly services: ReadonlySet<string | null>
  /** µs since the Unix epoch; undefined without rows. */
  readonly first: number | undefined
  readonly last: number | undefined
}

/** RFC 3339, the end exclusive. */
export interface ContextWindow {
  readonly from: string
  readonly to: string
}

export async function rowsOfFile(directory: string): Promise<BundleRows> {
  const ids: bigint[] = []
  const services = new Set<string | null>()
  let [first, last]: (number | undefined)[] = []
  for await (const line of linesOf(directory, 'rows.ndjson')) {
    const { audit_id, service_name, occurred_at } = JSON.parse(line) as {
      readonly audit_id: string
      readonly service_name: string | null
      readonly occurred_at: string
    }
    ids.push(BigInt(audit_id))
    services.add(service_name)
    const at = parseTime(occurred_at, 0) ?? 0
    first = Math.min(first ?? at, at)
    last = Math.max(last ?? at, at)
  }
  return { ids, services, first, last }
}

/** The window that was asked for; on a side where none was, that of the rows. */
export function contextWindow(
  { from, to }: Readonly<Record<string, unknown>>,
  { first, last }: BundleRows,
): ContextWindow | null {
  const begin = typeof from === 'string' ? from : timeOf(first)
  const end = typeof to === 'string' ? to : timeOf(last === undefined ? undefined : last + 1)
  return begin === undefined || end === undefined || begin >= end ? null : { from: begin, to: end }
}

function timeOf(micros: number | undefined): string | undefined {
  return micros === undefined ? undefined : formatTime(micros)
}

/** What processes say about themselves. Events that were lost are said of every service: whose they were is not known. */
const OF_PROCESSES: ReadonlySet<string> = new Set([Operation.AuditCoverage, Operation.AuditLifecycle])

/** Gathers, while the trail is verified, what the processes of the incident's services said about themselves. */
export class Context {
  readonly #from: number
  readonly #to: number
  readonly #services: ReadonlySet<string | null>
  readonly #mark: bigint
  readonly #rows: { readonly event: AuditEvent; readonly line: string }[] = []

  constructor(window: ContextWindow | null, services: ReadonlySet<string | null>, mark: bigint) {
    this.#from =
      window === null ? Number.POSITIVE_INFINITY : (parseTime(window.from, 0) ?? 0) - STATED_WITHIN_MS * 1000
    this.#to = window === null ? Number.NEGATIVE_INFINITY : (parseTime(window.to, 0) ?? 0)
    this.#services = services
    this.#mark = mark
  }

  add(row: ReadRow): void {
    const { event, isForeign, recordedXid } = row
    const { operation, occurredAt, serviceName } = event
    if (occurredAt < this.#from || occurredAt >= this.#to) return
    const isOfThem = OF_PROCESSES.has(operation) && this.#services.has(serviceName)
    if (!isOfThem && operation !== Operation.AuditGap) return
    // Not settled when the rows were taken.
    if (isForeign === false && recordedXid >= this.#mark) return
    this.#rows.push({ event, line: `${rowJson(rowOf(row))}\n` })
  }

  get text(): string {
    return this.#rows.map(({ line }) => line).join('')
  }

  get ids(): readonly bigint[] {
    return this.#rows.map(({ event }) => event.auditId)
  }

  get events(): readonly AuditEvent[] {
    return this.#rows.map(({ event }) => event)
  }
}
