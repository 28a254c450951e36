import { type AuditEvent, FIELDS } from '../event/fields.js'
import { isRoutine } from '../event/vocabulary.js'
import type { ResolvedFilter } from './filter.js'
import { isWithin } from './hours.js'
import { isWanted } from './term.js'

const NAMES: ReadonlyMap<string, keyof AuditEvent> = new Map(FIELDS.map(({ column, name }) => [column, name]))

/** Whether an event is one that the filter asks for: what `conditions` says in SQL, without the database. */
export function matches({ terms, hours, withoutOwn, from, to }: ResolvedFilter, event: AuditEvent): boolean {
  if (from !== undefined && event.occurredAt < from) return false
  if (to !== undefined && event.occurredAt >= to) return false
  if (withoutOwn && isRoutine(event.operation)) return false
  if (hours !== undefined && !isWithin(hours, event.occurredAt)) return false
  return Object.entries(terms).every(([column, term]) => {
    const name = NAMES.get(column)
    const found = name === undefined ? undefined : event[name]
    return found !== undefined && isWanted(term, found === null ? null : String(found))
  })
}
