import { guardedCall } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'
import type { Ticket } from '../contract/ticket.js'
import { Entry } from './entry.js'

/** `ExportResult` of the SDK: 0 is success, 1 is failure. */
export interface SpanExportResult {
  code: 0 | 1
  error?: Error
}

/** Hands over the events of some spans, and calls back when all of them have their fates: success if all are kept. */
export function exportTickets(
  tickets: readonly Ticket[],
  accept: (entry: Entry) => void,
  resultCallback: (result: SpanExportResult) => void,
): void {
  let open = tickets.length
  let lost = 0
  const report = (): void => {
    if (open > 0) return
    const error = new AuditError('AUDIT_UNAVAILABLE', `${lost} of ${tickets.length} audit events were lost`)
    const result: SpanExportResult = lost === 0 ? { code: 0 } : { code: 1, error }
    guardedCall('the callback of an export', () => resultCallback(result))
  }
  for (const ticket of tickets) {
    const entry = new Entry(ticket)
    entry.onFate = (fate) => {
      open--
      if (fate !== 'stored' && fate !== 'spooled') lost++
      report()
    }
    accept(entry)
  }
  if (tickets.length === 0) report()
}
