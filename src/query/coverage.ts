import type { FilterField } from './filter-fields.js'
import { formatTime } from '../event/time.js'
import { parseTime } from './time.js'

/** Processes state their coverage each day: what one said within a day and an hour is what it said last. */
export const STATED_WITHIN_MS = 25 * 3_600_000

export const AT = Object.freeze({
  kind: 'time',
  doc: 'When: RFC 3339, a date, or how long ago.',
  example: '2026-07-01T00:00:00Z',
} satisfies FilterField)

export interface CoverageOptions {
  /** Default: now. */
  readonly at?: Date | string | undefined
}

/** How one client was covered in the processes of one service. */
export interface CoveredClient {
  readonly service_name: string | null
  /** The package, or for traffic the provider. */
  readonly client: string
  readonly version: string | null
  /** `hooked`, `not_hooked`, `wire` or `observed`. */
  readonly state: string
  /** What is hooked. */
  readonly hook: string | null
  /** Why it is not, or what was seen. */
  readonly reason: string | null
  /** Processes and threads that said so, and had not stopped. */
  readonly processes: number
  /** Since when in the first of them; `null` where it is not known. */
  readonly since: string | null
  /** When one of them said so last. */
  readonly stated: string
}

export interface FleetCoverage {
  readonly at: string
  /** By service; those that are not covered first. */
  readonly clients: readonly CoveredClient[]
  /** Whether there are more than `limit`. */
  readonly truncated: boolean
}

export interface CoverageRow {
  readonly service_name: string | null
  readonly client: string
  readonly state: string
  readonly hook: string | null
  readonly reason: string | null
  readonly processes: string
  readonly since: string | null
  readonly stated: string
}

/** @param rows one more than `limit`, when there are more */
export function coverageOf(at: number, rows: readonly CoverageRow[], limit: number): FleetCoverage {
  return { at: formatTime(at), clients: rows.slice(0, limit).map(clientOf), truncated: rows.length > limit }
}

function clientOf({ client: text, processes, since, stated, ...row }: CoverageRow): CoveredClient {
  // The name of a package may begin with one.
  const mark = text.lastIndexOf('@')
  const [client, version] = mark > 0 ? [text.slice(0, mark), text.slice(mark + 1)] : [text, null]
  const began = since === null ? undefined : parseTime(since, 0)
  return {
    service_name: row.service_name,
    client,
    version,
    state: row.state,
    hook: row.hook,
    reason: row.reason,
    processes: Number(processes),
    since: began === undefined ? null : formatTime(began),
    stated: formatTime(Number(stated)),
  }
}
