import { type AuditEvent, FIELDS } from '../event/fields.js'
import type { ResolvedFilter } from './filter.js'

const NAMES: ReadonlyMap<string, keyof AuditEvent> = new Map(FIELDS.map(({ column, name }) => [column, name]))
const NOT_DENIALS: ReadonlySet<string> = new Set([
  'ok',
  'started',
  'stopped',
  'mode_changed',
  'hooked',
  'wire',
  'requested',
])

/** Whether an event is one that the filter asks for: what `conditions` says in SQL, without the database. */
export function matches(
  { equals, credentialPrefix, notOk, from, to }: ResolvedFilter,
  event: AuditEvent,
): boolean {
  if (from !== undefined && event.occurredAt < from) return false
  if (to !== undefined && event.occurredAt >= to) return false
  if (notOk && NOT_DENIALS.has(event.outcome)) return false
  if (credentialPrefix !== undefined && !event.credential.startsWith(credentialPrefix)) return false
  return Object.entries(equals).every(([column, value]) => {
    const name = NAMES.get(column)
    const found = name === undefined ? undefined : event[name]
    return found !== undefined && found !== null && String(found) === value
  })
}
