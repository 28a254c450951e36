import { type AuditFields, draftEvent, type EventDraft } from '../event/event.js'
import { checkNotOwn } from '../event/vocabulary.js'

/**
 * {@link draftEvent} for what an application says: rows of the pipeline about itself are nobody else's to write.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`, naming the field
 */
export function draftAccess(fields: AuditFields): EventDraft {
  const draft = draftEvent(fields)
  checkNotOwn(draft.operation)
  return draft
}
