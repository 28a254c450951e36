import type { AuditEvent } from '../../event/fields.js'
import { formatTime } from '../../event/time.js'
import { Operation } from '../../event/vocabulary.js'
import { JSON } from '../../host/globals.js'
import { STATED_WITHIN_MS } from '../coverage.js'

/** What the processes of a service said of one of its secret clients within a window. */
export interface StatedCoverage {
  readonly service_name: string | null
  /** The client with its version, or for traffic the provider. */
  readonly client: string
  /** `hooked`, `not_hooked`, `wire` or `observed`. */
  readonly state: string
  readonly reason: string | null
  /** Processes that said so. */
  readonly processes: number
  readonly first_stated: string
  readonly last_stated: string
}

interface Statement {
  readonly service: string | null
  readonly client: string
  readonly state: string
  readonly reason: string | null
  readonly instances: Set<string | null>
  first: number
  last: number
}

/**
 * Gathers the coverage that was in force in a window, from the rows `audit_coverage`. Processes say it anew each day: what
 * was said a day and an hour before the window still counts at its beginning.
 */
export class CoverageTally {
  readonly #from: number
  readonly #to: number
  readonly #statements = new Map<string, Statement>()

  constructor({ from, to }: { readonly from: number; readonly to: number }) {
    this.#from = from - STATED_WITHIN_MS * 1000
    this.#to = to
  }

  add(event: AuditEvent): void {
    const { operation, occurredAt } = event
    if (operation !== Operation.AuditCoverage || occurredAt < this.#from || occurredAt >= this.#to) return
    const { serviceName: service, credential: client, outcome: state } = event
    const key = JSON.stringify([service, client, state])
    let statement = this.#statements.get(key)
    if (statement === undefined) {
      const [first, last] = [occurredAt, occurredAt]
      statement = { service, client, state, reason: reasonOf(event), instances: new Set(), first, last }
      this.#statements.set(key, statement)
    }
    statement.instances.add(event.serviceInstanceId)
    statement.first = Math.min(statement.first, occurredAt)
    statement.last = Math.max(statement.last, occurredAt)
  }

  /** By service and client; what is not covered first. */
  stated(): readonly StatedCoverage[] {
    const uncovered = ({ state }: StatedCoverage): number => (isUncovered(state) ? 0 : 1)
    return [...this.#statements.values()]
      .map(({ service, client, state, reason, instances, first, last }) => ({
        service_name: service,
        client,
        state,
        reason,
        processes: instances.size,
        first_stated: formatTime(first),
        last_stated: formatTime(last),
      }))
      .sort(
        (a, b) =>
          uncovered(a) - uncovered(b) ||
          compare(a.service_name ?? '', b.service_name ?? '') ||
          compare(a.client, b.client) ||
          compare(a.state, b.state),
      )
  }
}

/** An access by such a client may have no row, or could not be held back. */
export function isUncovered(state: string): boolean {
  return state === 'not_hooked' || state === 'observed'
}

/** Whoever may write may have written anything. */
function reasonOf({ attributesJson }: AuditEvent): string | null {
  if (attributesJson === null) return null
  try {
    const { reason } = JSON.parse(attributesJson) as { readonly reason?: unknown }
    return typeof reason === 'string' ? reason : null
  } catch {
    return null
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
